/** Which signals there are, and which values they may have. */

/** The signals of an act, all optional; `undefined` means not observed. The domain declares how they make one reward. */
export interface SignalValues {
  /** The reward itself, 0 to 1. When given it is taken as it is; the others then only feed averages and budgets. */
  reward?: number | undefined;
  /** How good the result was, within the domain's declared range (0 to 1 unless declared). Higher is better. */
  quality?: number | undefined;
  /** How well the result is supported by its sources, within the declared range. Higher is better. */
  groundedness?: number | undefined;
  /** How safe the result was, within the declared range. Higher is better. */
  safety?: number | undefined;
  /** What the act cost, in US dollars, 0 to 1,000,000. */
  costUsd?: number | undefined;
  /** How long the act took, in milliseconds, 0 to 86,400,000. A block measures it, unless it is given. */
  latencyMs?: number | undefined;
}

/** The name of a signal. */
export type Signal = keyof SignalValues;

interface Range {
  readonly low: number;
  readonly high: number;
}

const ANY_FINITE: Range = { low: -Infinity, high: Infinity };
export const LATENCY_MS_MAX = 86_400_000;

export const RANGES: Readonly<Record<Signal, Range>> = {
  reward: { low: 0, high: 1 },
  // The domain declares the range of these three; the client only knows that they are finite.
  quality: ANY_FINITE,
  groundedness: ANY_FINITE,
  safety: ANY_FINITE,
  costUsd: { low: 0, high: 1e6 },
  latencyMs: { low: 0, high: LATENCY_MS_MAX },
};

/** Tells whether there is a signal of that name. */
export function isSignal(name: string): name is Signal {
  return Object.hasOwn(RANGES, name);
}

/** Gives `value` as a finite number in the range, or undefined when it is not one. Text is never a number. */
export function finite(value: unknown, { low, high }: Range = ANY_FINITE): number | undefined {
  // Besides numbers, what programs without types pass for one: `quality: passed`, a count as a bigint.
  if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "bigint") return undefined;
  const converted = Number(value);
  return Number.isFinite(converted) && low <= converted && converted <= high ? converted : undefined;
}
