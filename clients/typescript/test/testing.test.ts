/** Goal: the fake is a client whose sidecar lives in memory, so that an app's tests see what a sidecar would. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { LearningClient } from "learning-sidecar-client";
import { FakeLearning } from "learning-sidecar-client/testing";
import { KeptLog } from "./app.js";

const ARMS = ["small", "large"];

suite("the fake", () => {
  test("is a LearningClient that takes the first candidate and remembers the reward", async () => {
    const fake = new FakeLearning();
    assert.ok(fake instanceof LearningClient);
    const decision = await fake.decide("route", ARMS, (decision) => {
      decision.observe({ quality: 1, latencyMs: 3 });
      return decision;
    });
    const { domain, decisionId } = decision;
    assert.deepEqual(fake.rewards, [
      { domain, decisionId, arm: "small", signals: { quality: 1, latencyMs: 3 }, moreToCome: false },
    ]);
    assert.deepEqual([decision.source, decision.report?.outcome], ["learned", "applied"]);
  });

  test("asks its chooser with the context, and answers the same id the same", async () => {
    const fake = new FakeLearning(
      (domain, candidates, context) => `${domain}-${context["tokens"] ?? 0}-${candidates.length}`,
    );
    const ask = (): Promise<{ arm: string; source: string }> =>
      fake.recommend("route", ["a", "route-812-2"], { context: { tokens: 812 }, decisionId: "one" });
    const [first, second] = [await ask(), await ask()];
    assert.deepEqual([first.arm, first.source, second.source], ["route-812-2", "learned", "replay"]);
  });

  test("answers like a sidecar: collected, applied, duplicate, already closed, unknown", async () => {
    const fake = new FakeLearning();
    const decision = await fake.recommend("route", ARMS);
    const outcomes = [
      await fake.reward(decision, { quality: 1 }, { moreToCome: true }),
      await fake.reward(decision, { quality: 1 }),
      await fake.reward(decision, { quality: 1 }),
      await fake.release(decision),
      await fake.reward({ domain: "route", decisionId: "stranger" }, { quality: 1 }),
      await fake.release({ domain: "route", decisionId: "stranger" }),
    ].map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ["collected", "applied", "duplicate", "already_closed", "unknown", "unknown"]);
    await fake.release(await fake.recommend("route", ARMS, { decisionId: "two" }));
    assert.deepEqual(fake.released, ["two"]);
  });

  test("plays dead when told so, and when closed", async () => {
    const fake = new FakeLearning(() => "large", { logger: new KeptLog() });
    fake.away = true;
    assert.equal((await fake.recommend("route", ARMS)).source, "fallback");
    fake.away = false;
    assert.equal((await fake.recommend("route", ARMS)).arm, "large");
    fake.close();
    assert.equal(fake.away, true);
    assert.equal((await fake.recommend("route", ARMS)).source, "fallback");
  });

  test("says so when its chooser gives what is no candidate", async () => {
    await assert.rejects(new FakeLearning(() => "huge").recommend("route", ARMS), RangeError);
  });
});
