/** Recommend, act and reward in one call: what it takes and what it gives. */
import type { Decision } from "./decision.js";
import type { SignalValues } from "./signals.js";

/** What is said about a result: signals, or one number that is taken as its `quality`. */
export type Scored = number | SignalValues;

/** No candidate is affordable and the domain declares that then none is executed; the act was not called. */
export class Refused extends Error {
  /** The decision, whose `shields` say what was not affordable. */
  readonly decision: Decision;

  /** Made by `LearningClient.learn`. */
  constructor(decision: Decision) {
    super(`no candidate of ${decision.domain} is affordable, so none was executed`);
    this.name = "Refused";
    this.decision = decision;
  }
}

/** What `learn` executes and how it judges the result. */
export interface Lesson<Result> {
  /** Executes the arm; only this is timed. */
  act: (arm: string, decision: Decision) => Result | Promise<Result>;
  /**
   * Turns the result into signals, or into one number that is taken as its quality. An error in it is logged, and the
   * signals are missing; the result is returned all the same.
   */
  score: (result: Result) => Scored | Promise<Scored>;
}

/** What `learn` did. */
export interface Learned<Result> {
  /** What the act returned. */
  readonly result: Result;
  /** The decision it was executed under; `decision.report` tells what became of the reward. */
  readonly decision: Decision;
}
