/** Answers as a sidecar does that never forgets and never learns. */
import { create } from "@bufbuild/protobuf";
import { Failure } from "./failure.js";
import {
  Mode,
  RecommendOutcome,
  RecommendResponseSchema,
  ReleaseOutcome,
  ReleaseResponseSchema,
  RewardOutcome,
  RewardResponseSchema,
  Source,
  type RecommendRequest,
  type RecommendResponse,
  type ReleaseRequest,
  type ReleaseResponse,
  type RewardRequest,
  type RewardResponse,
} from "./gen/learning/v1/learning_pb.js";
import { RANGES, type Signal, type SignalValues } from "./signals.js";
import type { Transport } from "./transport.js";

/** Takes the domain, the candidates and the context; returns the arm to execute, or undefined to refuse. */
export type Chooser = (
  domain: string,
  candidates: readonly string[],
  context: Readonly<Record<string, number>>,
) => string | undefined;

/** One reward that a fake has received. */
export interface FakeReward {
  /** The kind of decision. */
  readonly domain: string;
  /** The decision that is rewarded. */
  readonly decisionId: string;
  /** The arm that was executed; empty when the fake does not know the decision. */
  readonly arm: string;
  /** What was reported, `latencyMs` included. */
  readonly signals: Readonly<SignalValues>;
  /** Whether it was a partial report. */
  readonly moreToCome: boolean;
}

const AWAY = new Failure("UNAVAILABLE", "the fake is away");
const EXPIRES_AT_UNIX_MS = 4_102_444_800_000n; // the year 2100: a fake does not forget

/** The wire of a fake client and what is at its other end. */
export class FakeSidecar implements Transport {
  readonly rewards: FakeReward[] = [];
  readonly released: string[] = [];
  away = false;
  readonly #choose: Chooser;
  readonly #arms = new Map<string, string>();
  readonly #closed = new Set<string>();

  /** Answers what `choose` says. */
  constructor(choose: Chooser = (_domain, candidates) => candidates[0]) {
    this.#choose = choose;
  }

  /** Answers as the chooser says; rejects when it gives an arm that is not a candidate. */
  recommend(request: RecommendRequest): Promise<RecommendResponse | Failure> {
    return this.#answer(() => this.#recommend(request));
  }

  /** Keeps the reward. */
  reward(request: RewardRequest): Promise<RewardResponse | Failure> {
    return this.#answer(() => this.#reward(request));
  }

  /** Keeps the release. */
  release(request: ReleaseRequest): Promise<ReleaseResponse | Failure> {
    return this.#answer(() => this.#release(request));
  }

  /** Goes away for good. */
  close(): void {
    this.away = true;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a chooser that throws shall reject, as a wire would
  async #answer<Answer>(answer: () => Answer): Promise<Answer | Failure> {
    return this.away ? AWAY : answer();
  }

  #recommend(request: RecommendRequest): RecommendResponse {
    const candidates = request.candidates.map((candidate) => candidate.arm);
    const before = this.#arms.get(request.decisionId);
    const arm = before ?? this.#choose(request.domain, candidates, { ...request.context });
    const baseline = candidates[0] ?? "";
    if (arm === undefined) {
      return create(RecommendResponseSchema, { outcome: RecommendOutcome.REFUSED, baseline });
    }
    if (!candidates.includes(arm)) {
      throw new RangeError(`the chooser gave "${arm}", which is not one of the candidates ${candidates.join(", ")}`);
    }
    this.#arms.set(request.decisionId, arm);
    return create(RecommendResponseSchema, {
      arm,
      outcome: RecommendOutcome.CHOSEN,
      decisionId: request.decisionId,
      propensity: 1,
      baseline,
      proposal: arm,
      mode: Mode.UNGATED,
      source: before === undefined ? Source.LEARNED : Source.REPLAY,
      expiresAtUnixMs: EXPIRES_AT_UNIX_MS,
      policy: "fake",
    });
  }

  #reward({ domain, decisionId, signals, moreToCome }: RewardRequest): RewardResponse {
    const arm = this.#arms.get(decisionId) ?? "";
    const reported: SignalValues = {};
    for (const name of Object.keys(RANGES) as Signal[]) {
      if (signals?.[name] !== undefined) reported[name] = signals[name];
    }
    this.rewards.push({ domain, decisionId, arm, signals: reported, moreToCome });
    if (arm === "") return create(RewardResponseSchema, { outcome: RewardOutcome.UNKNOWN });
    if (this.#closed.has(decisionId)) return create(RewardResponseSchema, { outcome: RewardOutcome.DUPLICATE });
    if (moreToCome) return create(RewardResponseSchema, { outcome: RewardOutcome.COLLECTED });
    this.#closed.add(decisionId);
    return create(RewardResponseSchema, { outcome: RewardOutcome.APPLIED, reward: signals?.reward, arm });
  }

  #release({ decisionId }: ReleaseRequest): ReleaseResponse {
    if (!this.#arms.has(decisionId)) return create(ReleaseResponseSchema, { outcome: ReleaseOutcome.UNKNOWN });
    if (this.#closed.has(decisionId)) return create(ReleaseResponseSchema, { outcome: ReleaseOutcome.ALREADY_CLOSED });
    this.#closed.add(decisionId);
    this.released.push(decisionId);
    return create(ReleaseResponseSchema, { outcome: ReleaseOutcome.RELEASED });
  }
}
