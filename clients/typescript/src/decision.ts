/** One decision as the app sees it: the arm to execute, why it is that one, and what was observed. */
import type { Observations } from "./observations.js";
import type { DecisionName } from "./requests.js";
import type { ReleaseResult, RewardResult } from "./results.js";
import type { SignalValues } from "./signals.js";
import type { Mode, Shield, ShieldEffect, Source } from "./terms.js";

/** One thing that a shield did, so that a decision explains itself. */
export interface ShieldAction {
  /** The limit that acted. */
  readonly shield: Shield;
  /** What it did. */
  readonly effect: ShieldEffect;
  /** The arm it did it to. */
  readonly arm: string;
}

/** What is known of a decision once it was asked for. */
export interface DecisionFacts extends DecisionName {
  /** The arm to execute: always one of the candidates; the baseline when `refused`. */
  readonly arm: string;
  /** The first candidate: what the app would have done without learning. */
  readonly baseline: string;
  /** Who chose the arm; `fallback` when the sidecar was missing, late or failing. */
  readonly source: Source;
  /** The exact probability with which this arm was executed, (0, 1]; 1 in a fallback. */
  readonly propensity: number;
  /** How far the domain lets the learner act. */
  readonly mode: Mode;
  /** What the policy would have executed; unless `mode` is ungated it may differ from `arm`. Empty: there was none. */
  readonly proposal: string;
  /** What the shields did, in the order in which they acted. */
  readonly shields: readonly ShieldAction[];
  /** No candidate is affordable and the domain says that then none is executed: the app should not act. */
  readonly refused: boolean;
  /** The store, or in a fallback the sidecar, could not be asked: `arm` is the baseline, nothing was recorded. */
  readonly degraded: boolean;
  /** The policy in use, such as `thompson`. */
  readonly policy: string;
  /** The version of the statistics that the decision was made on. */
  readonly statisticsVersion: number;
  /** What was reserved for this decision, in US dollars. */
  readonly reservedUsd: number;
  /** When the reward is due, in ms since the Unix epoch by the store's clock; 0 when nothing was recorded. */
  readonly expiresAtUnixMs: number;
  /**
   * The fallback was taken because the answer was late, so the sidecar may hold a decision that nobody acts on: it is
   * released when the block ends.
   */
  readonly answerMissed: boolean;
}

/** One decision. Execute `arm`, unless `refused`: then do not act at all. */
export interface Decision extends DecisionFacts {
  /** Whether the sidecar waits for a reward. If not, none is sent. */
  readonly recorded: boolean;
  /** What became of the report that the block sent at its end; undefined before that, and when none was due. */
  readonly report: RewardResult | ReleaseResult | undefined;

  /**
   * Notes signals of the act, to be reported when the block ends or with `reward(decision)`.
   *
   * May be called often; of each signal the last value counts, and `undefined` is not a value. Never throws: a value
   * that is not finite or out of its range (see `SignalValues`) is logged and dropped, and so is a signal that does
   * not exist.
   */
  readonly observe: (signals: SignalValues) => void;

  /**
   * Reports what was observed when the block ends, but leaves the decision open for more.
   *
   * For feedback that comes later: keep `domain` and `decisionId`, and complete it with
   * `reward({ domain, decisionId }, signals)` before `expiresAtUnixMs`. Should nothing come, what was collected is
   * applied then.
   */
  readonly keepOpen: () => void;
}

const observations = new WeakMap<object, Observations>();

/** Makes a decision of what is known about it. */
export function decisionOf(facts: DecisionFacts, observed: Observations): Decision {
  const decision: Decision = {
    ...facts,
    recorded: facts.expiresAtUnixMs > 0 && !facts.refused,
    get report() {
      return observed.report;
    },
    observe: (signals) => {
      observed.add(signals);
    },
    keepOpen: () => {
      observed.moreToCome = true;
    },
  };
  observations.set(decision, observed);
  return Object.freeze(decision);
}

/** Gives the observations of a decision that a client made; undefined for a mere name. */
export function observationsOf(decision: DecisionName): Observations | undefined {
  return observations.get(decision);
}
