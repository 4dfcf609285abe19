/** Every step of a decision without its I/O: what to send, if anything, and what the answer means. */
import { readDecision, readRelease, readReward } from "./answers.js";
import { observationsOf, type Decision } from "./decision.js";
import { Observations } from "./observations.js";
import { RequestBuilder, type DecisionName, type DecisionOptions } from "./requests.js";
import { unsentRelease, unsentReward, type ReleaseResult, type RewardResult } from "./results.js";
import type { SignalValues } from "./signals.js";
import type { SparseLog } from "./sparse-log.js";
import type { OnError } from "./terms.js";
import type { Transport } from "./transport.js";

/** One request to the sidecar that is ready to be sent, and the reading of its answer. */
export type Call<Result> = (transport: Transport) => Promise<Result>;

/** How an act ended. */
export type Ending = "done" | "failed" | "cancelled";

const NOT_RECORDED = "nothing was recorded for this decision";

/** The steps of the decisions of one workspace. */
export class Steps {
  readonly #log: SparseLog;
  readonly #build: RequestBuilder;

  /** Keeps whose decisions these are; throws when one is not a name. */
  constructor(tenant: string, workspace: string, log: SparseLog) {
    this.#log = log;
    this.#build = new RequestBuilder(tenant, workspace, log);
  }

  /** Asks for a decision. */
  recommend(domain: string, candidates: readonly string[], options: DecisionOptions): Call<Decision> {
    const request = this.#build.recommend(domain, candidates, options);
    return async (transport) => readDecision(request, await transport.recommend(request), this.#log);
  }

  /** Reports `signals`, over those that the decision has observed. */
  reward(decision: DecisionName, signals: SignalValues, moreToCome: boolean): Call<RewardResult> {
    if (isUnrecorded(decision)) return () => Promise.resolve(unsentReward(NOT_RECORDED));
    const observed = new Observations(this.#log);
    observed.add(observationsOf(decision)?.values());
    observed.add(signals);
    const request = this.#build.reward(decision, observed.values(), moreToCome);
    return async (transport) => readReward(request, await transport.reward(request), this.#log);
  }

  /** Declares that the act never took place. */
  release(decision: DecisionName): Call<ReleaseResult> {
    // A decision whose answer was missed may well have been recorded, and then holds money.
    if (isUnrecorded(decision) && !decision.answerMissed) return () => Promise.resolve(unsentRelease(NOT_RECORDED));
    const request = this.#build.release(decision);
    return async (transport) => readRelease(request, await transport.release(request), this.#log);
  }

  /** Says what to report now that the act has ended, if anything. */
  report(decision: Decision, ending: Ending, onError: OnError): Call<RewardResult | ReleaseResult> | undefined {
    // An answer that was missed may have left a decision behind that nobody acts on.
    if (decision.answerMissed) return this.release(decision);
    if (!decision.recorded) return undefined;
    if (ending === "done") return this.reward(decision, {}, observationsOf(decision)?.moreToCome ?? false);
    // A cancellation came from outside and says nothing about the arm.
    if (ending === "cancelled" || onError === "release") return this.release(decision);
    if (onError !== "worst") return undefined;
    observationsOf(decision)?.add({ reward: 0 }); // kept, so that sending it again says the same
    return this.reward(decision, {}, false);
  }
}

function isUnrecorded(decision: DecisionName): decision is Decision {
  return observationsOf(decision) !== undefined && !(decision as Decision).recorded;
}
