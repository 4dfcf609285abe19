/** Goal: recommend, act, score and report in one call, where only the act is timed. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Refused } from "learning-sidecar-client";
import { FakeLearning } from "learning-sidecar-client/testing";
import { KeptLog } from "./app.js";

const ARMS = ["terse", "chatty"];

suite("learn", () => {
  test("gives the result and the decision, and reports the score without the time that scoring took", async () => {
    const fake = new FakeLearning(() => "chatty");
    const { result, decision } = await fake.learn("prompt", ARMS, {
      act: async (arm) => {
        await sleep(20);
        return `${arm} answer`;
      },
      score: async () => {
        await sleep(300);
        return { quality: 0.5, costUsd: 0.01 };
      },
    });
    assert.equal(result, "chatty answer");
    assert.equal(decision.report?.outcome, "applied");
    const signals = fake.rewards[0]?.signals;
    assert.deepEqual([signals?.quality, signals?.costUsd], [0.5, 0.01]);
    const latencyMs = signals?.latencyMs ?? 0;
    assert.ok(latencyMs >= 19 && latencyMs < 290, `${latencyMs} ms`);
  });

  test("takes a single number for the quality", async () => {
    const fake = new FakeLearning();
    await fake.learn("prompt", ARMS, { act: () => "x", score: () => 0.25 });
    assert.equal(fake.rewards[0]?.signals.quality, 0.25);
  });

  test("a score that fails is logged, and the result is returned all the same", async () => {
    const logger = new KeptLog();
    const fake = new FakeLearning(undefined, { logger });
    const score = (): number => {
      throw new Error("no judge");
    };
    const { result } = await fake.learn("prompt", ARMS, { act: () => "x", score });
    assert.equal(result, "x");
    assert.deepEqual(Object.keys(fake.rewards[0]?.signals ?? {}), ["latencyMs"]);
    assert.match(logger.messages[0] ?? "", /could not score an act of prompt.*no judge/);
  });

  test("a refusal rejects with Refused, and the act is not called", async () => {
    const fake = new FakeLearning(() => undefined);
    const learned = fake.learn("prompt", ARMS, { act: () => assert.fail("acted"), score: () => 1 });
    await assert.rejects(learned, (error) => error instanceof Refused && error.decision.arm === "terse");
    assert.equal(fake.rewards.length, 0);
  });

  test("an act that rejects is reported as the worst, and is not scored", async () => {
    const fake = new FakeLearning();
    const failure = new Error("down");
    const learned = fake.learn("prompt", ARMS, {
      act: () => Promise.reject(failure),
      score: () => assert.fail("scored"),
    });
    await assert.rejects(learned, (error) => error === failure);
    assert.equal(fake.rewards[0]?.signals.reward, 0);
  });

  test("an act or a score that is missing is a mistake", async () => {
    await assert.rejects(new FakeLearning().learn("prompt", ARMS, { act: () => 1 } as never), TypeError);
  });
});
