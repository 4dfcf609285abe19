/** The client. */
import { observationsOf, type Decision } from "./decision.js";
import { endpoint, type ClientOptions } from "./endpoint.js";
import { GrpcTransport } from "./grpc-transport.js";
import { Refused, type Learned, type Lesson, type Scored } from "./learned.js";
import type { DecisionName, DecisionOptions } from "./requests.js";
import type { ReleaseResult, RewardResult } from "./results.js";
import type { SignalValues } from "./signals.js";
import { shown, SparseLog } from "./sparse-log.js";
import { Steps, type Ending } from "./steps.js";
import type { OnError } from "./terms.js";
import type { Transport } from "./transport.js";

/** What may be said about one decision and its act; all optional. */
export interface DecideOptions extends DecisionOptions {
  /** What is reported when the act rejects. Absent: `worst`. */
  onError?: OnError | undefined;
  /**
   * Cancels: nothing is asked once it is aborted, and the act is not called. An act that rejects after it was aborted
   * was cancelled: its decision is released, whatever `onError` says. Hand it to the act's own calls too.
   */
  signal?: AbortSignal | undefined;
}

/** What `decide` runs. */
export type Act<Result> = (decision: Decision) => Result | Promise<Result>;

/**
 * Asks the sidecar which arm to use and reports what happened. Make one and keep it.
 *
 * The sidecar is never in the app's way: each call to it takes at most `timeoutMs`, and when it is missing, late or
 * failing, the first candidate is used and nothing throws. Only mistakes in the program do.
 *
 * ```ts
 * const client = new LearningClient();
 * const answer = await client.decide("route", ["small", "large"], { context: { tokens: 812 } }, async (decision) => {
 *   const answer = await askModel(decision.arm);
 *   decision.observe({ quality: grade(answer), costUsd: answer.costUsd });
 *   return answer;
 * });
 * ```
 */
export class LearningClient {
  readonly #log: SparseLog;
  readonly #steps: Steps;
  readonly #transport: Transport;

  /**
   * Begins to connect; the connection is then reused. It does not keep the process alive.
   *
   * @param options See `ClientOptions`.
   * @param transport Instead of gRPC: the seam that the fakes use.
   * @throws TypeError or RangeError when an option cannot be right.
   */
  constructor(options: ClientOptions = {}, transport?: Transport) {
    this.#log = new SparseLog(options.logger ?? console);
    this.#steps = new Steps(options.tenant ?? "default", options.workspace ?? "main", this.#log);
    this.#transport = transport ?? new GrpcTransport(endpoint(options));
  }

  /**
   * Asks for a decision, runs the act, times it, and reports at its end.
   *
   * The report takes at most `timeoutMs` more. It carries the act's duration as `latencyMs` and what
   * `Decision.observe` has noted. Nothing is reported when nothing was recorded: a fallback, a refusal, a degraded
   * sidecar, mode off. If the act rejects, so does this, with the same reason; `onError` says what is reported.
   *
   * @param domain The kind of decision, such as `route` or `prompt`.
   * @param candidates 1 to 1,000 arms, each once. The first is the baseline: what the app would do without learning.
   * @param act What is done with the arm; may be async.
   * @returns What the act returns.
   * @throws TypeError or RangeError when a name, a rule or the act cannot be right.
   */
  decide<Result>(domain: string, candidates: readonly string[], act: Act<Result>): Promise<Result>;
  /** The same, with more to say about the decision. */
  decide<Result>(
    domain: string,
    candidates: readonly string[],
    options: DecideOptions,
    act: Act<Result>,
  ): Promise<Result>;
  /** Both of the above. */
  async decide<Result>(
    domain: string,
    candidates: readonly string[],
    ...rest: [Act<Result>] | [DecideOptions | undefined, Act<Result>]
  ): Promise<Result> {
    const [options = {}, act] = rest.length === 1 ? [{}, rest[0]] : rest;
    const onError = ruleOf(options.onError);
    if (typeof act !== "function") throw new TypeError(`the act must be a function, not ${typeof act}`);
    const ask = this.#steps.recommend(domain, candidates, options);
    options.signal?.throwIfAborted();
    const decision = await ask(this.#transport);
    let ending: Ending = "failed";
    observationsOf(decision)?.start();
    try {
      options.signal?.throwIfAborted();
      const result = await act(decision);
      ending = "done";
      return result;
    } finally {
      if (ending === "failed" && options.signal?.aborted) ending = "cancelled";
      await this.#report(decision, ending, onError);
    }
  }

  /**
   * Decides, calls `act(arm)`, scores its result and reports: a whole `decide` in one call, where only the act is
   * timed, not the scoring.
   *
   * @param domain As in `decide`.
   * @param candidates As in `decide`.
   * @param lesson `act`, `score`, and the options of `decide`.
   * @returns The result and the decision.
   * @throws Refused when no candidate is affordable: the act was not called. Otherwise as `decide`.
   */
  async learn<Result>(
    domain: string,
    candidates: readonly string[],
    lesson: Lesson<Result> & DecideOptions,
  ): Promise<Learned<Result>> {
    const { act, score, ...options } = lesson;
    if (typeof act !== "function" || typeof score !== "function") throw new TypeError("learn needs an act and a score");
    return this.decide(domain, candidates, options, async (decision) => {
      if (decision.refused) throw new Refused(decision);
      const result = await act(decision.arm, decision);
      observationsOf(decision)?.stop();
      await this.#observeScore(decision, () => score(result));
      return { result, decision };
    });
  }

  /**
   * Asks for a decision without a block: report with `reward`, or give it back with `release`.
   *
   * @throws TypeError or RangeError when a name cannot be right.
   */
  async recommend(domain: string, candidates: readonly string[], options: DecisionOptions = {}): Promise<Decision> {
    return this.#steps.recommend(domain, candidates, options)(this.#transport);
  }

  /**
   * Reports what happened. Idempotent: the first final report counts, later ones are answered `duplicate`.
   *
   * @param decision The decision, or `{ domain, decisionId }` of one that was made elsewhere.
   * @param signals They go over those that the decision has observed.
   * @param options `moreToCome`: keep the decision open for more signals.
   * @returns What became of it; `unsent` when there is nothing to reward or the sidecar did not answer in time.
   * @throws TypeError or RangeError when a name cannot be right.
   */
  async reward(
    decision: DecisionName,
    signals: SignalValues = {},
    options: { moreToCome?: boolean | undefined } = {},
  ): Promise<RewardResult> {
    return this.#steps.reward(decision, signals, options.moreToCome ?? false)(this.#transport);
  }

  /**
   * Declares that the act never took place: the reserved money is given back and nothing is learned. Idempotent.
   *
   * @param decision As in `reward`.
   * @returns What became of it, as in `reward`.
   * @throws TypeError or RangeError when a name cannot be right.
   */
  async release(decision: DecisionName): Promise<ReleaseResult> {
    return this.#steps.release(decision)(this.#transport);
  }

  /** Closes the connection. Later calls fall back as if nobody listened. */
  close(): void {
    this.#transport.close();
  }

  /** Closes at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #report(decision: Decision, ending: Ending, onError: OnError): Promise<void> {
    const observations = observationsOf(decision);
    observations?.stop();
    const report = await this.#steps.report(decision, ending, onError)?.(this.#transport);
    if (observations) observations.report = report;
  }

  async #observeScore(decision: Decision, score: () => Scored | Promise<Scored>): Promise<void> {
    try {
      const scored = await score();
      observationsOf(decision)?.add(typeof scored === "object" ? scored : { quality: scored });
    } catch (error) {
      // The act has succeeded and is paid for: its result is worth more to the app than the missing signal.
      const why = error instanceof Error ? (error.stack ?? error.message) : shown(error);
      this.#log.note("score", `could not score an act of ${decision.domain}, so its signals are missing: ${why}`);
    }
  }
}

function ruleOf(onError: unknown): OnError {
  switch (onError) {
    case undefined:
      return "worst";
    case "worst":
    case "release":
    case "ignore":
      return onError;
    default:
      throw new RangeError(`onError must be worst, release or ignore, got ${shown(onError)}`);
  }
}
