/** Builds the messages that are sent. A number that cannot be sent is logged and left out: data never throws. */
import { create } from "@bufbuild/protobuf";
import { randomUUID } from "node:crypto";
import {
  RecommendRequestSchema,
  ReleaseRequestSchema,
  RewardRequestSchema,
  type RecommendRequest,
  type ReleaseRequest,
  type RewardRequest,
} from "./gen/learning/v1/learning_pb.js";
import { arms, identity, isName, name } from "./names.js";
import { finite, LATENCY_MS_MAX, RANGES, type SignalValues } from "./signals.js";
import { shown, type SparseLog } from "./sparse-log.js";

const FEATURES_MAX = 64;
const FEATURE = { low: -1e12, high: 1e12 };
const REWARD_DEADLINE_MS = { low: 1, high: 604_800_000 };
/**
 * What is sent for a maxLatencyMs of 0 or less: the time is already up, so only the fastest arm will do. One above
 * LATENCY_MS_MAX, a day, is as good as that.
 */
const NO_TIME_LEFT_MS = 0.001;

/** What may be said about one decision; all optional. */
export interface DecisionOptions {
  /** Numeric features of the request, at most 64, each within ±1e12. Others are logged and left out. */
  context?: Readonly<Record<string, number>> | undefined;
  /**
   * The most that executing an arm can cost, in US dollars, 0 to 1,000,000, by arm. It is reserved from the budgets
   * until the reward tells the actual cost. Arms that are not candidates are ignored.
   */
  costCeilingsUsd?: Readonly<Record<string, number>> | undefined;
  /** How long the act may take, in milliseconds; 0 or less asks for the fastest arm. Absent: the domain's limit. */
  maxLatencyMs?: number | undefined;
  /** How long the sidecar waits for the reward, 1 to 604,800,000 ms (7 days). Absent: the domain's deadline. */
  rewardDeadlineMs?: number | undefined;
  /**
   * 1 to 128 printable ASCII characters without spaces; asking again with the same id gives the same answer. Absent:
   * the client makes one.
   */
  decisionId?: string | undefined;
}

/** Names a decision in rewards and releases. Every decision is one; keep these two when feedback comes later. */
export interface DecisionName {
  /** The kind of decision. */
  readonly domain: string;
  /** The decision. */
  readonly decisionId: string;
}

/** Builds requests for one workspace. */
export class RequestBuilder {
  readonly #whose: { tenant: string; workspace: string };
  readonly #log: SparseLog;

  /** Keeps whose requests these are; throws when one is not a name. */
  constructor(tenant: string, workspace: string, log: SparseLog) {
    this.#whose = { tenant: name("tenant", tenant), workspace: name("workspace", workspace) };
    this.#log = log;
  }

  /** Asks for one decision. Its id is made here, never by the sidecar: a request that is retried is answered once. */
  recommend(domain: string, candidates: readonly string[], options: DecisionOptions): RecommendRequest {
    const { maxLatencyMs, rewardDeadlineMs, decisionId } = options;
    const ceilingsUsd = table("costCeilingsUsd", options.costCeilingsUsd);
    const request = create(RecommendRequestSchema, {
      ...this.#whose,
      domain: name("domain", domain),
      decisionId: decisionId == null ? randomUUID() : identity(decisionId),
      candidates: arms(candidates).map((arm) => ({ arm })),
      context: this.#features(table("context", options.context)),
    });
    for (const candidate of request.candidates) {
      if (!Object.hasOwn(ceilingsUsd, candidate.arm)) continue;
      const what = `costCeilingsUsd[${candidate.arm}]`;
      candidate.costCeilingUsd = this.#usable(what, ceilingsUsd[candidate.arm], RANGES.costUsd);
    }
    const waitMs = this.#usable("maxLatencyMs", maxLatencyMs);
    if (waitMs !== undefined) request.maxLatencyMs = Math.min(Math.max(waitMs, NO_TIME_LEFT_MS), LATENCY_MS_MAX);
    const deadlineMs = this.#usable("rewardDeadlineMs", rewardDeadlineMs, REWARD_DEADLINE_MS);
    if (deadlineMs !== undefined) request.rewardDeadlineMs = BigInt(Math.trunc(deadlineMs));
    return request;
  }

  /** Reports usable signals, as `Observations.values` gives them. */
  reward(decision: DecisionName, signals: SignalValues, moreToCome: boolean): RewardRequest {
    return create(RewardRequestSchema, { ...this.#whose, ...checked(decision), signals, moreToCome });
  }

  /** Declares that the act never took place. */
  release(decision: DecisionName): ReleaseRequest {
    return create(ReleaseRequestSchema, { ...this.#whose, ...checked(decision) });
  }

  #features(context: Record<string, unknown>): Record<string, number> {
    // Without a prototype, so that no name of a feature means anything but itself.
    const features = Object.create(null) as Record<string, number>;
    const given = Object.entries(context);
    let sent = 0;
    for (const [feature, value] of given) {
      if (sent === FEATURES_MAX) {
        this.#log.note("feature", `a context has ${given.length} features; only ${FEATURES_MAX} were sent`);
        break;
      }
      if (!isName(feature)) {
        this.#log.note("feature", `left out the feature ${shown(feature)}: that is no name`);
        continue;
      }
      const usable = this.#usable(`context[${feature}]`, value, FEATURE);
      if (usable === undefined) continue;
      features[feature] = usable;
      sent += 1;
    }
    return features;
  }

  #usable(what: string, value: unknown, range?: { low: number; high: number }): number | undefined {
    if (value === undefined || value === null) return undefined;
    const usable = finite(value, range);
    if (usable === undefined) {
      this.#log.note("number", `left out ${what}=${shown(value)}: it is not finite or out of range`);
    }
    return usable;
  }
}

function checked(decision: DecisionName): DecisionName {
  const given: unknown = decision;
  if (typeof given !== "object" || given === null) {
    throw new TypeError("a decision is named by { domain, decisionId }");
  }
  return { domain: name("domain", decision.domain), decisionId: identity(decision.decisionId) };
}

function table(what: string, value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object") throw new TypeError(`${what} must be an object, not ${typeof value}`);
  return value as Record<string, unknown>;
}
