/** Goal: a decision goes from asking to reporting as the README says, whatever the act does. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Decision, OnError } from "learning-sidecar-client";
import { RecommendOutcome, Shield, ShieldEffect } from "../src/gen/learning/v1/learning_pb.js";
import { clientOf, KeptLog } from "./app.js";
import { ScriptedSidecar } from "./scripted-sidecar.js";

const ARMS = ["small", "large"];

suite("decide", () => {
  test("asks with everything it was told, and reports what was observed with the act's duration", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar, { tenant: "acme", workspace: "chat" });
    let seen: Decision | undefined;
    const options = {
      context: { tokens: 812 },
      costCeilingsUsd: { large: 0.02, stranger: 1 },
      maxLatencyMs: 1500,
      rewardDeadlineMs: 60_000,
      decisionId: "one",
    };
    const result = await client.decide("route", ARMS, options, async (decision) => {
      seen = decision;
      decision.observe({ quality: 0.25, costUsd: 0.01 });
      decision.observe({ quality: 0.75 });
      await sleep(20);
      return "done";
    });
    assert.equal(result, "done");
    const [asked] = sidecar.recommends;
    assert.deepEqual(
      [asked?.tenant, asked?.workspace, asked?.domain, asked?.decisionId, asked?.maxLatencyMs, asked?.rewardDeadlineMs],
      ["acme", "chat", "route", "one", 1500, 60_000n],
    );
    assert.deepEqual({ ...asked?.context }, { tokens: 812 });
    assert.deepEqual(
      asked?.candidates.map(({ arm, costCeilingUsd }) => [arm, costCeilingUsd]),
      [
        ["small", undefined],
        ["large", 0.02],
      ],
    );
    const [report] = sidecar.rewards;
    assert.equal(report?.decisionId, "one");
    assert.equal(report.signals?.quality, 0.75);
    assert.equal(report.signals.costUsd, 0.01);
    assert.ok((report.signals.latencyMs ?? 0) >= 19);
    assert.deepEqual(seen?.report, {
      outcome: "applied",
      reward: 0.5,
      arm: "large",
      breakdown: [],
      missing: [],
      reason: "",
    });
  });

  test("tells the app everything about the decision", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const decision = await clientOf(t, sidecar).recommend("route", ARMS);
    assert.match(decision.decisionId, /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      { ...decision, decisionId: "", observe: 0, keepOpen: 0 },
      {
        domain: "route",
        decisionId: "",
        arm: "large",
        baseline: "small",
        source: "learned",
        propensity: 0.25,
        mode: "ungated",
        proposal: "large",
        shields: [],
        refused: false,
        degraded: false,
        policy: "thompson",
        statisticsVersion: 7,
        reservedUsd: 0.02,
        expiresAtUnixMs: 4_000_000_000_000,
        answerMissed: false,
        recorded: true,
        report: undefined,
        observe: 0,
        keepOpen: 0,
      },
    );
  });

  test("a word that a newer sidecar says is unspecified", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.answer = { source: 99 as never, mode: 99 as never };
    const decision = await clientOf(t, sidecar).recommend("route", ARMS);
    assert.deepEqual([decision.source, decision.mode], ["unspecified", "unspecified"]);
  });

  const rules: [OnError | undefined, { rewards: number; releases: number; outcome: string | undefined }][] = [
    [undefined, { rewards: 1, releases: 0, outcome: "applied" }],
    ["worst", { rewards: 1, releases: 0, outcome: "applied" }],
    ["release", { rewards: 0, releases: 1, outcome: "released" }],
    ["ignore", { rewards: 0, releases: 0, outcome: undefined }],
  ];
  for (const [onError, expected] of rules) {
    test(`an act that rejects under onError ${onError ?? "(absent)"} rejects untouched, reported as the rule says`, async (t) => {
      const sidecar = await ScriptedSidecar.started(t);
      const failure = new Error("the model is down");
      let seen: Decision | undefined;
      const decided = clientOf(t, sidecar).decide("route", ARMS, { onError }, (decision) => {
        seen = decision;
        decision.observe({ quality: 1, costUsd: 0.01 });
        throw failure;
      });
      await assert.rejects(decided, (error) => error === failure);
      assert.deepEqual(
        { rewards: sidecar.rewards.length, releases: sidecar.releases.length, outcome: seen?.report?.outcome },
        expected,
      );
      for (const { signals } of sidecar.rewards) assert.deepEqual([signals?.reward, signals?.costUsd], [0, 0.01]);
    });
  }

  test("an act that rejects after its signal was aborted is released, whatever the rule", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const controller = new AbortController();
    const decided = clientOf(t, sidecar).decide("route", ARMS, { signal: controller.signal }, async () => {
      controller.abort();
      await sleep(1000, undefined, { signal: controller.signal });
    });
    await assert.rejects(decided, { name: "AbortError" });
    assert.deepEqual([sidecar.rewards.length, sidecar.releases.length], [0, 1]);
  });

  test("an act that succeeds although its signal was aborted is rewarded", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const controller = new AbortController();
    const { signal } = controller;
    await clientOf(t, sidecar).decide("route", ARMS, { signal }, () => {
      controller.abort();
    });
    assert.deepEqual([sidecar.rewards.length, sidecar.releases.length], [1, 0]);
  });

  test("with a signal that is aborted already, nothing is asked", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const reason = new Error("the user left");
    const signal = AbortSignal.abort(reason);
    const decided = clientOf(t, sidecar).decide("route", ARMS, { signal }, () => assert.fail("acted"));
    await assert.rejects(decided, (error) => error === reason);
    assert.equal(sidecar.recommends.length, 0);
  });

  test("a signal that is aborted while the sidecar is asked keeps the act from being called", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.delayMs.Recommend = 100;
    const controller = new AbortController();
    const { signal } = controller;
    const decided = clientOf(t, sidecar).decide("route", ARMS, { signal }, () => assert.fail("acted"));
    await sleep(20);
    controller.abort();
    await assert.rejects(decided, { name: "AbortError" });
    assert.equal(sidecar.releases.length, 1);
  });

  test("a decision that is kept open is reported as partial, and completed by its name", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    const name = await client.decide("route", ARMS, ({ domain, decisionId, keepOpen, observe }) => {
      observe({ costUsd: 0.01 });
      keepOpen();
      return { domain, decisionId };
    });
    await client.reward(name, { quality: 1 });
    assert.deepEqual(
      sidecar.rewards.map(({ moreToCome, signals }) => [moreToCome, signals?.costUsd, signals?.quality]),
      [
        [true, 0.01, undefined],
        [false, undefined, 1],
      ],
    );
  });

  test("a refusal reaches the act with its shields, and nothing is reported", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const shields = [{ shield: Shield.BUDGET, effect: ShieldEffect.REFUSED, arm: "small" }] as never;
    sidecar.answer = { outcome: RecommendOutcome.REFUSED, arm: "", shields };
    const client = clientOf(t, sidecar);
    const decision = await client.decide("route", ARMS, (decision) => decision);
    assert.deepEqual([decision.refused, decision.arm, decision.recorded], [true, "small", false]);
    assert.deepEqual(decision.shields, [{ shield: "budget", effect: "refused", arm: "small" }]);
    assert.equal(decision.report, undefined);
    assert.equal((await client.reward(decision)).outcome, "unsent");
    assert.deepEqual([sidecar.rewards.length, sidecar.releases.length], [0, 0]);
  });

  test("observe never throws: what cannot be reported is logged once and dropped", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const logger = new KeptLog();
    const hostile = {
      get quality(): number {
        throw new Error("no");
      },
    };
    await clientOf(t, sidecar, { logger }).decide("route", ARMS, ({ observe }) => {
      observe({ quality: NaN, safety: Infinity, costUsd: -1, reward: 1.5, groundedness: 0.5 });
      observe(hostile);
      for (const nonsense of [null, undefined, 5, "text", { speed: 1 }, { quality: "1" }]) observe(nonsense as never);
    });
    const signals = sidecar.rewards[0]?.signals;
    assert.deepEqual(
      [signals?.quality, signals?.safety, signals?.costUsd, signals?.reward, signals?.groundedness],
      [undefined, undefined, undefined, undefined, 0.5],
    );
    assert.equal(logger.messages.length, 1);
    assert.match(logger.messages[0] ?? "", /dropped the signal quality=NaN/);
  });
});
