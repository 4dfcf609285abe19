/** Interprets what came back: an answer, or the lack of one. Nothing here throws, and nothing here does I/O. */
import { decisionOf, type Decision } from "./decision.js";
import { Failure } from "./failure.js";
import {
  RecommendOutcome,
  type RecommendRequest,
  type RecommendResponse,
  type ReleaseRequest,
  type ReleaseResponse,
  type RewardRequest,
  type RewardResponse,
} from "./gen/learning/v1/learning_pb.js";
import { Observations } from "./observations.js";
import { unsentRelease, unsentReward, type ReleaseResult, type RewardResult } from "./results.js";
import type { SparseLog } from "./sparse-log.js";
import { modeOf, releaseOutcomeOf, rewardOutcomeOf, shieldEffectOf, shieldOf, sourceOf } from "./terms.js";

/** Reads the answer to Recommend; without a usable one, falls back to the first candidate. */
export function readDecision(request: RecommendRequest, reply: RecommendResponse | Failure, log: SparseLog): Decision {
  if (reply instanceof Failure) return fallback(request, reply, log);
  const refused = reply.outcome === RecommendOutcome.REFUSED;
  const chosen = refused ? baselineOf(request) : reply.arm;
  if (!request.candidates.some((candidate) => candidate.arm === chosen)) {
    return fallback(request, new Failure("BAD_ANSWER", `"${chosen}" is not one of the candidates`), log);
  }
  const facts = {
    domain: request.domain,
    decisionId: request.decisionId,
    arm: chosen,
    baseline: baselineOf(request),
    source: sourceOf(reply.source),
    propensity: reply.propensity,
    mode: modeOf(reply.mode),
    proposal: reply.proposal,
    shields: reply.shields.map(({ shield, effect, arm }) => ({
      shield: shieldOf(shield),
      effect: shieldEffectOf(effect),
      arm,
    })),
    refused,
    degraded: reply.degraded,
    policy: reply.policy,
    statisticsVersion: Number(reply.statisticsVersion),
    reservedUsd: reply.reservedUsd,
    expiresAtUnixMs: Number(reply.expiresAtUnixMs),
    answerMissed: false,
  };
  return decisionOf(facts, new Observations(log));
}

function baselineOf(request: RecommendRequest): string {
  return request.candidates[0]?.arm ?? ""; // there always is one, see `arms`
}

function fallback(request: RecommendRequest, failure: Failure, log: SparseLog): Decision {
  const baseline = baselineOf(request);
  log.note(
    "fallback",
    `no decision for ${request.domain}, so the first candidate ${baseline} is used: ${failure.toString()}`,
  );
  const facts = {
    domain: request.domain,
    decisionId: request.decisionId,
    arm: baseline,
    baseline,
    source: "fallback",
    propensity: 1,
    mode: "unspecified",
    proposal: "",
    shields: [],
    refused: false,
    degraded: true,
    policy: "",
    statisticsVersion: 0,
    reservedUsd: 0,
    expiresAtUnixMs: 0,
    answerMissed: failure.answerMissed,
  } as const;
  return decisionOf(facts, new Observations(log));
}

/** Reads the answer to Reward; says in the log when the reward does not count. */
export function readReward(request: RewardRequest, reply: RewardResponse | Failure, log: SparseLog): RewardResult {
  const which = `the reward of decision ${request.decisionId} (${request.domain})`;
  if (reply instanceof Failure) {
    log.note("unsent", `${which} is lost: ${reply.toString()}`);
    return unsentReward(reply.toString());
  }
  const outcome = rewardOutcomeOf(reply.outcome);
  if (outcome === "late" || outcome === "unknown") log.note("uncounted", `${which} came ${outcome}`);
  return {
    outcome,
    reward: reply.reward,
    arm: reply.arm,
    breakdown: reply.breakdown.map(({ signal, value, normalized, weight }) => ({ signal, value, normalized, weight })),
    missing: [...reply.missing],
    reason: "",
  };
}

/** Reads the answer to Release. */
export function readRelease(request: ReleaseRequest, reply: ReleaseResponse | Failure, log: SparseLog): ReleaseResult {
  if (reply instanceof Failure) {
    log.note("unsent", `decision ${request.decisionId} (${request.domain}) was not released: ${reply.toString()}`);
    return unsentRelease(reply.toString());
  }
  return { outcome: releaseOutcomeOf(reply.outcome), reason: "" };
}
