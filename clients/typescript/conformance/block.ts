/** An ordinary app: it asks, acts and reports, in a block or in one call. */
import {
  Refused,
  type DecideOptions,
  type Decision,
  type LearningClient,
  type SignalValues,
} from "learning-sidecar-client";
import { setTimeout as sleep } from "node:timers/promises";
import { Seen } from "./seen.js";

/** What happens inside a block. */
export interface Act {
  readonly sleepMs: number;
  readonly observe: readonly SignalValues[];
  readonly keepOpen: boolean;
  readonly fails: "error" | "cancel" | undefined;
}

/** What a decision is asked for with. */
export interface Asking {
  readonly domain: string;
  readonly candidates: readonly string[];
  readonly options: DecideOptions;
}

/** Acts in a block. */
export async function decide(client: LearningClient, { domain, candidates, options }: Asking, act: Act): Promise<Seen> {
  const seen = new Seen();
  const failure = new Failure(act);
  await failure.seenBy(seen, () =>
    client.decide(domain, candidates, { ...options, signal: failure.signal }, async (decision) => {
      seen.asked(decision);
      if (decision.refused) return;
      await execute(act, decision, seen);
      for (const signals of act.observe) decision.observe(signals);
      failure.happen();
    }),
  );
  return seen;
}

/** Does the same in one call; what the act observes is what its score says. */
export async function learn(client: LearningClient, { domain, candidates, options }: Asking, act: Act): Promise<Seen> {
  const seen = new Seen();
  const failure = new Failure(act);
  await failure.seenBy(seen, () =>
    client.learn(domain, candidates, {
      ...options,
      signal: failure.signal,
      act: async (_arm, decision) => {
        seen.asked(decision);
        await execute(act, decision, seen);
        failure.happen();
      },
      score: () => Object.assign({}, ...act.observe) as SignalValues,
    }),
  );
  return seen;
}

async function execute(act: Act, decision: Decision, seen: Seen): Promise<void> {
  seen.acted = true;
  if (act.sleepMs > 0) await sleep(act.sleepMs);
  if (act.keepOpen) decision.keepOpen();
}

/** The failure of an act, if it is to have one. */
class Failure {
  readonly #how: Act["fails"];
  readonly #error = new Error("the act failed");
  readonly #controller = new AbortController();

  constructor(act: Act) {
    this.#how = act.fails;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  happen(): void {
    if (this.#how === undefined) return;
    if (this.#how === "cancel") this.#controller.abort(this.#error);
    throw this.#error;
  }

  async seenBy(seen: Seen, block: () => Promise<unknown>): Promise<void> {
    try {
      await block();
    } catch (error) {
      if (error instanceof Refused) seen.asked(error.decision);
      else if (this.#how !== undefined && error === this.#error) seen.raised = true;
      else throw error;
    }
  }
}
