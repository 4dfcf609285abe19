/**
 * The words of an answer. Each union ends with `unspecified` where a newer sidecar may say what this client does not
 * know yet.
 */
import * as pb from "./gen/learning/v1/learning_pb.js";

/**
 * Who chose the arm.
 *
 * - `learned`: the policy.
 * - `baseline`: it is the first candidate, because the domain's mode says so.
 * - `replay`: this decision id was answered before; this is that answer.
 * - `degraded`: the sidecar could not ask its store; it is the first candidate and was not recorded.
 * - `shield`: a budget or latency shield, because what would have been executed was not allowed.
 * - `fallback`: the sidecar was missing, late or failing, so the client took the first candidate.
 */
export type Source = "learned" | "baseline" | "replay" | "degraded" | "shield" | "fallback" | "unspecified";

/**
 * How far the domain lets the learner act.
 *
 * - `off`: the first candidate is executed and nothing is recorded.
 * - `shadow`: the first candidate is executed; what the policy would have done is recorded.
 * - `canary`: where the policy's choice differs, it is executed in a small share of the decisions.
 * - `live`: likewise in all but a small share of them.
 * - `ungated`: the policy's choice is executed, with no guarantee against the baseline.
 * - `gated`: shadow, canary or live as far as evidence allows: what operators ask for. Decisions name the one in force.
 * - `unspecified`: not known: a fallback, or a sidecar newer than this client.
 */
export type Mode = "off" | "shadow" | "canary" | "live" | "ungated" | "gated" | "unspecified";

/** A limit that is enforced before an arm is returned. */
export type Shield = "budget" | "latency" | "unspecified";

/**
 * What a shield did with an arm.
 *
 * - `stepped_over`: the arm was taken out of the choice.
 * - `fastest_anyway`: no arm was allowed, so the fastest was executed.
 * - `cheapest_anyway`: no arm was affordable, so the cheapest was executed.
 * - `refused`: no arm was affordable, and the domain declares that then none is executed.
 */
export type ShieldEffect = "stepped_over" | "fastest_anyway" | "cheapest_anyway" | "refused" | "unspecified";

/**
 * What became of a reward.
 *
 * - `applied`: it was learned from, and booked.
 * - `duplicate`: the decision was settled before; nothing changed.
 * - `late`: the decision had expired or was released: nothing was learned; a reported cost was booked.
 * - `unknown`: the sidecar knows no such decision; nothing changed.
 * - `collected`: a partial report was kept; the decision is still open.
 * - `spooled`: the sidecar's store is away: the report is on the sidecar's disk, and is applied once when it is back.
 * - `unsent`: nothing was sent, or no answer came back in time. Sending it again is safe.
 */
export type RewardOutcome =
  "applied" | "duplicate" | "late" | "unknown" | "collected" | "spooled" | "unsent" | "unspecified";

/**
 * What became of a release.
 *
 * - `released`: the reserved money was given back.
 * - `already_closed`: the decision was settled, released or expired before; nothing changed.
 * - `spooled`: the sidecar's store is away: the release is on the sidecar's disk, and is carried out when it is back.
 * - `unknown`: the sidecar knows no such decision; nothing changed.
 * - `unsent`: nothing was sent, or no answer came back in time. Sending it again is safe.
 */
export type ReleaseOutcome = "released" | "already_closed" | "spooled" | "unknown" | "unsent" | "unspecified";

/**
 * What is reported when the act rejects; the rejection itself always propagates untouched.
 *
 * - `worst`: a reward of 0, with the latency and whatever cost was observed: the arm failed.
 * - `release`: the money is given back and nothing is learned: the arm is not to blame.
 * - `ignore`: nothing: at the deadline the sidecar applies the domain's rule for missing rewards.
 */
export type OnError = "worst" | "release" | "ignore";

// The types of these tables make the compiler refuse a word of the API that is missing here.
const SOURCES: Record<pb.Source, Source> = {
  [pb.Source.UNSPECIFIED]: "unspecified",
  [pb.Source.LEARNED]: "learned",
  [pb.Source.BASELINE]: "baseline",
  [pb.Source.REPLAY]: "replay",
  [pb.Source.DEGRADED]: "degraded",
  [pb.Source.SHIELD]: "shield",
};

const MODES: Record<pb.Mode, Mode> = {
  [pb.Mode.UNSPECIFIED]: "unspecified",
  [pb.Mode.OFF]: "off",
  [pb.Mode.SHADOW]: "shadow",
  [pb.Mode.UNGATED]: "ungated",
  [pb.Mode.CANARY]: "canary",
  [pb.Mode.LIVE]: "live",
  [pb.Mode.GATED]: "gated",
};

const SHIELDS: Record<pb.Shield, Shield> = {
  [pb.Shield.UNSPECIFIED]: "unspecified",
  [pb.Shield.BUDGET]: "budget",
  [pb.Shield.LATENCY]: "latency",
};

const SHIELD_EFFECTS: Record<pb.ShieldEffect, ShieldEffect> = {
  [pb.ShieldEffect.UNSPECIFIED]: "unspecified",
  [pb.ShieldEffect.STEPPED_OVER]: "stepped_over",
  [pb.ShieldEffect.FASTEST_ANYWAY]: "fastest_anyway",
  [pb.ShieldEffect.CHEAPEST_ANYWAY]: "cheapest_anyway",
  [pb.ShieldEffect.REFUSED]: "refused",
};

const REWARD_OUTCOMES: Record<pb.RewardOutcome, RewardOutcome> = {
  [pb.RewardOutcome.UNSPECIFIED]: "unspecified",
  [pb.RewardOutcome.APPLIED]: "applied",
  [pb.RewardOutcome.DUPLICATE]: "duplicate",
  [pb.RewardOutcome.LATE]: "late",
  [pb.RewardOutcome.UNKNOWN]: "unknown",
  [pb.RewardOutcome.COLLECTED]: "collected",
  [pb.RewardOutcome.SPOOLED]: "spooled",
};

const RELEASE_OUTCOMES: Record<pb.ReleaseOutcome, ReleaseOutcome> = {
  [pb.ReleaseOutcome.UNSPECIFIED]: "unspecified",
  [pb.ReleaseOutcome.RELEASED]: "released",
  [pb.ReleaseOutcome.ALREADY_CLOSED]: "already_closed",
  [pb.ReleaseOutcome.UNKNOWN]: "unknown",
  [pb.ReleaseOutcome.SPOOLED]: "spooled",
};

function words<Term extends string>(terms: Record<number, Term>): (wire: number) => Term | "unspecified" {
  return (wire) => terms[wire] ?? "unspecified";
}

/** Each gives the word for a number on the wire; a number that is not known here is `unspecified`. */
export const sourceOf = words(SOURCES);
export const modeOf = words(MODES);
export const shieldOf = words(SHIELDS);
export const shieldEffectOf = words(SHIELD_EFFECTS);
export const rewardOutcomeOf = words(REWARD_OUTCOMES);
export const releaseOutcomeOf = words(RELEASE_OUTCOMES);
