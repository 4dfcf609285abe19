/**
 * The TypeScript client of Learning Sidecar: ask which arm to use, act, report what happened.
 *
 * `LearningClient` here; `learning-sidecar-client/testing` for the tests of the app. The sidecar is never in the app's
 * way: without it, the first candidate is used.
 */
export { LearningClient, type Act, type DecideOptions } from "./client.js";
export type { Decision, DecisionFacts, ShieldAction } from "./decision.js";
export type { ClientOptions, ConnectionOptions, TlsOptions } from "./endpoint.js";
export { Refused, type Learned, type Lesson, type Scored } from "./learned.js";
export type { DecisionName, DecisionOptions } from "./requests.js";
export type { Contribution, ReleaseResult, RewardResult } from "./results.js";
export type { Signal, SignalValues } from "./signals.js";
export type { Logger } from "./sparse-log.js";
export type { Mode, OnError, ReleaseOutcome, RewardOutcome, Shield, ShieldEffect, Source } from "./terms.js";
