/** The arguments of an order: each is taken, and none may be left. */
import type { SignalValues } from "learning-sidecar-client";

/** An order, or an argument, that this driver does not know. */
export class Unsupported extends Error {}

/** What is sent as a word because JSON has no number for it. */
const NUMBERS = new Map([
  ["nan", NaN],
  ["inf", Infinity],
  ["-inf", -Infinity],
]);

const SIGNALS: Record<string, keyof SignalValues> = { cost_usd: "costUsd", latency_ms: "latencyMs" };

/** Reads an object of JSON, key by key. */
export class Arguments {
  readonly #left: Map<string, unknown>;

  /** Begins with all of them. */
  constructor(given: object) {
    this.#left = new Map(Object.entries(given));
  }

  /** Takes one as it is; undefined when it is not given. Whether it is right is up to the client, as with every app. */
  take(name: string): unknown {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  /** Takes a number. */
  number(name: string): number | undefined {
    const given = this.take(name);
    return given === undefined ? undefined : numeric(given);
  }

  /** Takes an object of numbers. */
  numbers(name: string): Record<string, number> | undefined {
    const given = this.take(name) as Record<string, unknown> | undefined;
    if (given === undefined) return undefined;
    return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, numeric(value)]));
  }

  /** Takes an object whose keys are taken in turn. */
  nested(name: string): Arguments {
    return new Arguments(this.take(name) ?? {});
  }

  /** Refuses what nobody has taken. */
  done(): void {
    if (this.#left.size > 0) throw new Unsupported(`the arguments ${[...this.#left.keys()].join(", ")}`);
  }
}

/** Gives signals in this client's words. */
export function signals(given: Record<string, unknown>): SignalValues {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [SIGNALS[name] ?? name, numeric(value)]));
}

/** Gives signals in the words of the suite. */
export function told(signals: SignalValues): Record<string, number> {
  const words = Object.fromEntries(Object.entries(SIGNALS).map(([word, signal]) => [signal, word]));
  return Object.fromEntries(
    Object.entries(signals).map(([name, value]: [string, number]) => [words[name] ?? name, value]),
  );
}

function numeric(value: unknown): number {
  return (typeof value === "string" ? (NUMBERS.get(value) ?? value) : value) as number;
}
