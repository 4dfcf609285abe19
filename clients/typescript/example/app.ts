/**
 * An app that answers questions with one of two models, and learns which. Run it with or without a sidecar:
 *
 *     npm run example                                  # at 127.0.0.1:50051
 *     LEARNING_ADDRESS=unix:/tmp/s npm run example
 *
 * The models are made up: `large` answers better, costs more and takes longer.
 */
import { LearningClient } from "learning-sidecar-client";
import { setTimeout as sleep } from "node:timers/promises";

interface Model {
  readonly name: string;
  readonly quality: number;
  readonly costUsd: number;
  readonly takesMs: number;
}

const MODELS: readonly Model[] = [
  { name: "small", quality: 0.6, costUsd: 0.0004, takesMs: 5 },
  { name: "large", quality: 0.9, costUsd: 0.006, takesMs: 15 },
];
const QUESTIONS = 200;

const candidates = MODELS.map((model) => model.name);
const costCeilingsUsd = Object.fromEntries(MODELS.map((model) => [model.name, model.costUsd]));

async function ask(name: string): Promise<{ quality: number; costUsd: number }> {
  const model = MODELS.find((model) => model.name === name);
  if (model === undefined) throw new RangeError(`no model ${name}`);
  await sleep(model.takesMs);
  return { quality: Math.random() < model.quality ? 1 : 0, costUsd: model.costUsd };
}

using client = new LearningClient();
const chosen = new Map<string, number>();
for (let question = 0; question < QUESTIONS; question += 1) {
  const context = { tokens: Math.round(Math.random() * 1000) };
  await client.decide("route", candidates, { context, costCeilingsUsd }, async (decision) => {
    if (decision.refused) return; // no model is affordable
    const answer = await ask(decision.arm);
    decision.observe(answer);
    const which = `${decision.arm} (${decision.source})`;
    chosen.set(which, (chosen.get(which) ?? 0) + 1);
  });
}
console.log(Object.fromEntries(chosen));
