/** Warnings that cannot flood a log: a sidecar that is away would otherwise say so on every request. */
import { inspect } from "node:util";

/** Where warnings go. `console`, pino and winston are such loggers. */
export interface Logger {
  /** Takes one warning. */
  warn(message: string): void;
}

const INTERVAL_MS = 60_000;
const SHOWN_MAX = 200;

/** Logs each kind of warning at most once a minute, and says how many were held back in between. */
export class SparseLog {
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #silentUntil = new Map<string, number>();
  readonly #heldBack = new Map<string, number>();

  /** Starts with nothing said; `clock` counts milliseconds and never goes back. */
  constructor(logger: Logger, clock: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Logs the message, or counts it when this kind was logged less than a minute ago. */
  note(kind: string, message: string): void {
    const now = this.#clock();
    const heldBack = this.#heldBack.get(kind) ?? 0;
    if (now < (this.#silentUntil.get(kind) ?? now)) {
      this.#heldBack.set(kind, heldBack + 1);
      return;
    }
    this.#silentUntil.set(kind, now + INTERVAL_MS);
    this.#heldBack.delete(kind);
    const more = heldBack === 0 ? "" : ` (${heldBack} more like this since the last such message)`;
    try {
      this.#logger.warn(`learning: ${message}${more}`);
    } catch (error) {
      // A logger that fails must not fail the app's request; the process's own warnings are what is left.
      process.emitWarning(`the logger of the learning client failed: ${shown(error)}`);
    }
  }
}

/** Shows a value that the app gave, whatever it is, in a few characters. Never throws. */
export function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 1, maxStringLength: SHOWN_MAX, breakLength: Infinity }).slice(0, SHOWN_MAX);
  } catch {
    return `something that cannot be shown, of type ${typeof value}`; // its own inspection threw
  }
}
