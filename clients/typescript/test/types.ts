/** Goal: what the compiler promises an app. Not run: `npm run check` compiles it, and each mistake must be one. */
import { LearningClient, type Decision, type Source } from "learning-sidecar-client";
import { FakeLearning } from "learning-sidecar-client/testing";

type Same<A, B> = [A, B] extends [B, A] ? true : false;

function is<Expected, Found>(same: Same<Expected, Found>): void {
  if (!same) throw new TypeError("the types differ");
}

const client: LearningClient = new FakeLearning();

const decided = await client.decide("route", ["small", "large"], async (decision) =>
  Promise.resolve(decision.arm.length),
);
decided.toFixed();
is<number, typeof decided>(true);

const learned = await client.learn("route", ["small", "large"], {
  act: (arm) => ({ text: arm, costUsd: 0.01 }),
  score: (result) => ({ costUsd: result.costUsd }),
});
is<{ text: string; costUsd: number }, typeof learned.result>(true);
is<Decision, typeof learned.decision>(true);
is<Source, typeof learned.decision.source>(true);

// Candidates and their ceilings may be read-only, and a decision names itself.
const arms = ["small", "large"] as const;
await client.reward(await client.recommend("route", arms, { costCeilingsUsd: Object.freeze({ small: 1 }) }));

// @ts-expect-error -- a signal that does not exist
learned.decision.observe({ speed: 1 });
// @ts-expect-error -- a decision says what was decided; nobody changes it
learned.decision.arm = "large";
// @ts-expect-error -- an id alone does not say of which domain
await client.reward({ decisionId: "one" }, { quality: 1 });
// @ts-expect-error -- a rule that does not exist
await client.decide("route", arms, { onError: "retry" }, () => 1);
// @ts-expect-error -- one arm without its brackets
await client.recommend("route", "small");
