/** Goal: the line between a mistake of the program, which throws at once, and bad data, which never does. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SparseLog } from "../src/sparse-log.js";
import { RequestBuilder } from "../src/requests.js";
import { FakeLearning } from "learning-sidecar-client/testing";
import { KeptLog } from "./app.js";

const ARMS = ["small", "large"];

suite("mistakes", () => {
  const wrongNames: [string, unknown[]][] = [
    ["no candidates", ["route", []]],
    ["one candidate twice", ["route", ["small", "small"]]],
    ["a string instead of an array", ["route", "small"]],
    ["an arm that is no string", ["route", ["small", 5]]],
    ["an empty arm", ["route", ["small", ""]]],
    ["too many candidates", ["route", Array.from({ length: 1001 }, (_, index) => `arm-${index}`)]],
    ["an empty domain", ["", ARMS]],
    ["a domain that does not print", ["rou\nte", ARMS]],
    ["a domain with a lone surrogate", ["\ud800", ARMS]],
    ["a domain with a no-break space", ["a\u00a0b", ARMS]],
    ["a domain that is too long", ["é".repeat(129), ARMS]],
    ["no domain", [undefined, ARMS]],
    ["a decision id with a space", ["route", ARMS, { decisionId: "not an id" }]],
    ["a decision id that is not ASCII", ["route", ARMS, { decisionId: "é" }]],
    ["a context that is no object", ["route", ARMS, { context: "tokens" }]],
  ];
  for (const [what, given] of wrongNames) {
    test(`${what}: recommend, decide and learn reject`, async () => {
      const fake = new FakeLearning();
      const isMistake = (error: unknown): boolean => error instanceof TypeError || error instanceof RangeError;
      const [domain, candidates, options = {}] = given as [string, string[], object?];
      await assert.rejects(fake.recommend(domain, candidates, options), isMistake);
      await assert.rejects(
        fake.decide(domain, candidates, options, () => assert.fail("acted")),
        isMistake,
      );
      const lesson = { act: () => assert.fail("acted"), score: () => 1 };
      await assert.rejects(fake.learn(domain, candidates, { ...options, ...lesson }), isMistake);
    });
  }

  test("an unknown rule and an act that is no function reject", async () => {
    const fake = new FakeLearning();
    await assert.rejects(
      fake.decide("route", ARMS, { onError: "retry" as never }, () => 1),
      RangeError,
    );
    await assert.rejects(fake.decide("route", ARMS, undefined as never), TypeError);
    await assert.rejects(fake.decide("route", ARMS, {}, "act" as never), TypeError);
  });

  test("a decision that is not named by domain and id rejects", async () => {
    const fake = new FakeLearning();
    for (const name of ["some-id", null, {}, { decisionId: "some-id" }, { domain: "route", decisionId: "" }]) {
      await assert.rejects(
        fake.reward(name as never, { quality: 1 }),
        (error) => error instanceof TypeError || error instanceof RangeError,
      );
      await assert.rejects(
        fake.release(name as never),
        (error) => error instanceof TypeError || error instanceof RangeError,
      );
    }
  });

  test("names of 128 characters in any script are right", async () => {
    const name = "🦊".repeat(127) + "é";
    assert.equal((await new FakeLearning().recommend(name, [name, "a b"])).arm, name);
  });
});

suite("data", () => {
  const build = new RequestBuilder("acme", "main", new SparseLog(new KeptLog()));

  test("what is no finite number is left out of the context, the rest counts", () => {
    const context = { nan: NaN, inf: Infinity, text: "5", words: 3, passed: true, "": 1, __proto__x: 1 };
    const request = build.recommend("route", ARMS, { context: context as never });
    assert.deepEqual({ ...request.context }, { words: 3, passed: 1, __proto__x: 1 });
  });

  test("only the first 64 features are sent, and the log says so", () => {
    const log = new KeptLog();
    const build = new RequestBuilder("acme", "main", new SparseLog(log));
    const context = Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`f${index}`, index]));
    assert.equal(Object.keys(build.recommend("route", ARMS, { context }).context).length, 64);
    assert.deepEqual(log.messages, ["learning: a context has 70 features; only 64 were sent"]);
  });

  test("numbers out of range are left out, and a time that is up asks for the fastest arm", () => {
    const request = build.recommend("route", ARMS, {
      costCeilingsUsd: { small: -1, large: 1e7 },
      maxLatencyMs: -5,
      rewardDeadlineMs: 0,
    });
    assert.deepEqual(
      request.candidates.map((candidate) => candidate.costCeilingUsd),
      [undefined, undefined],
    );
    assert.deepEqual([request.maxLatencyMs, request.rewardDeadlineMs], [0.001, undefined]);
  });

  test("an arm that is named like a property of every object has no ceiling unless it is given one", () => {
    const request = build.recommend("route", ["constructor"], { costCeilingsUsd: {} });
    assert.equal(request.candidates[0]?.costCeilingUsd, undefined);
  });
});
