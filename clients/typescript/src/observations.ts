/** What was observed about one act, as it comes in, and the stopwatch that times it. */
import type { ReleaseResult, RewardResult } from "./results.js";
import { finite, isSignal, LATENCY_MS_MAX, RANGES, type SignalValues } from "./signals.js";
import { shown, type SparseLog } from "./sparse-log.js";

/** The signals of one act as they come in, and its stopwatch. */
export class Observations {
  readonly #log: SparseLog;
  readonly #clock: () => number;
  readonly #values: SignalValues = {};
  #startedMs: number | undefined;
  #elapsedMs: number | undefined;
  /** Whether more signals follow after the end of the block. */
  moreToCome = false;
  /** What became of the block's report. */
  report: RewardResult | ReleaseResult | undefined;

  /** Starts empty, with the stopwatch at rest; `clock` counts milliseconds and never goes back. */
  constructor(log: SparseLog, clock: () => number = () => performance.now()) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Starts timing the act. */
  start(): void {
    this.#startedMs = this.#clock();
  }

  /** Stops timing the act. Only the first stop counts, and only after a start. */
  stop(): void {
    if (this.#startedMs !== undefined) this.#elapsedMs ??= this.#clock() - this.#startedMs;
  }

  /** Keeps every usable value, the last of each signal; logs and drops the others. Never throws. */
  add(signals: unknown): void {
    if (signals === undefined || signals === null) return;
    try {
      for (const [name, value] of Object.entries(signals) as [string, unknown][]) this.#keep(name, value);
    } catch (error) {
      // A getter of the app's object may throw anything, and this is the app's path.
      this.#log.note("signal", `dropped signals that cannot be read: ${shown(error)}`);
    }
  }

  #keep(name: string, value: unknown): void {
    if (value === undefined || value === null) return;
    const usable = isSignal(name) ? finite(value, RANGES[name]) : undefined;
    if (isSignal(name) && usable !== undefined) this.#values[name] = usable;
    else this.#log.note("signal", `dropped the signal ${name}=${shown(value)}: it is unknown or out of range`);
  }

  /** Gives what was observed, with the measured latency unless another was given. */
  values(): SignalValues {
    const measured =
      this.#elapsedMs === undefined ? {} : { latencyMs: Math.min(Math.max(this.#elapsedMs, 0), LATENCY_MS_MAX) };
    return { ...measured, ...this.#values };
  }
}
