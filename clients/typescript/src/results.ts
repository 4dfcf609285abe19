/** What became of a report to the sidecar. */
import type { ReleaseOutcome, RewardOutcome } from "./terms.js";

/** One signal's part in a reward. */
export interface Contribution {
  /** The signal's name as the domain declares it, such as `quality` or `cost_usd`. */
  readonly signal: string;
  /** The value as reported, in the signal's unit. */
  readonly value: number;
  /** The value on the declared range, 0 (worst) to 1 (best). */
  readonly normalized: number;
  /** The share of the weights, 0 to 1; all shares add up to 1. */
  readonly weight: number;
}

/** What became of a reward. */
export interface RewardResult {
  /** What was done with it; `unsent` when the sidecar did not take it. */
  readonly outcome: RewardOutcome;
  /** The reward that the signals make, 0 to 1; undefined unless applied or collected. */
  readonly reward: number | undefined;
  /** The arm that was credited; empty unless applied. */
  readonly arm: string;
  /** How the reward came about; empty when it was given outright. */
  readonly breakdown: readonly Contribution[];
  /** Declared signals that were not reported. */
  readonly missing: readonly string[];
  /** Why it is unsent; empty otherwise. */
  readonly reason: string;
}

/** What became of a release. */
export interface ReleaseResult {
  /** What was done; `unsent` when the sidecar did not take it. */
  readonly outcome: ReleaseOutcome;
  /** Why it is unsent; empty otherwise. */
  readonly reason: string;
}

/** The result of a reward that the sidecar has not got. */
export function unsentReward(reason: string): RewardResult {
  return { outcome: "unsent", reward: undefined, arm: "", breakdown: [], missing: [], reason };
}

/** The result of a release that the sidecar has not got. */
export function unsentRelease(reason: string): ReleaseResult {
  return { outcome: "unsent", reason };
}
