/** Goal: a sidecar that is missing, late or failing is never in the app's way, and is found again when it is back. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { LearningClient, type Decision } from "learning-sidecar-client";
import { clientOf, KeptLog } from "./app.js";
import { ScriptedSidecar } from "./scripted-sidecar.js";

const ARMS = ["small", "large"];

suite("absence", () => {
  test("while nobody listens the first candidate is used, nothing is sent, and the log says so once", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.crash();
    const logger = new KeptLog();
    const client = clientOf(t, sidecar, { logger });
    for (let time = 0; time < 5; time += 1) {
      const decision = await client.decide("route", ARMS, (decision) => decision);
      assert.deepEqual(
        [decision.arm, decision.source, decision.degraded, decision.recorded, decision.propensity, decision.report],
        ["small", "fallback", true, false, 1, undefined],
      );
      assert.match((await client.reward(decision, { quality: 1 })).reason, /nothing was recorded/);
    }
    assert.equal(logger.messages.length, 1);
    assert.match(logger.messages[0] ?? "", /no decision for route, so the first candidate small is used: UNAVAILABLE/);
  });

  test("an answer that is late costs the time-out, and its decision is released at the end of the act", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar, { timeoutMs: 400 });
    await client.recommend("route", ARMS);
    sidecar.delayMs.Recommend = 2000;
    const began = performance.now();
    const decision = await client.decide("route", ARMS, { decisionId: "late" }, (decision) => {
      const elapsedMs = performance.now() - began;
      assert.ok(elapsedMs > 350 && elapsedMs < 1500, `took ${elapsedMs} ms`);
      assert.equal(decision.source, "fallback");
      return decision;
    });
    assert.equal(decision.report?.outcome, "released");
    assert.deepEqual(
      sidecar.releases.map((release) => release.decisionId),
      ["late"],
    );
    assert.equal(sidecar.rewards.length, 0);
  });

  test("a sidecar that fails is a fallback, and not asked again", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.failures = [status.INTERNAL];
    const decision = await clientOf(t, sidecar).recommend("route", ARMS);
    assert.equal(decision.source, "fallback");
    assert.equal(sidecar.recommends.length, 1);
  });

  test("a call that found the sidecar unavailable is sent once more, with the same id", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    await client.recommend("route", ARMS);
    sidecar.failures = [status.UNAVAILABLE];
    assert.equal((await client.recommend("route", ARMS)).source, "learned");
    const [, first, second] = sidecar.recommends;
    assert.equal(first?.decisionId, second?.decisionId);
    assert.equal(sidecar.recommends.length, 3);
  });

  test("an arm that is none of the candidates is never executed", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.answer = { arm: "stranger" };
    assert.equal((await clientOf(t, sidecar).recommend("route", ARMS)).arm, "small");
  });

  test("a report that is not taken is unsent, says why, and can be sent again", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    const decision = await client.recommend("route", ARMS);
    sidecar.failures = [status.RESOURCE_EXHAUSTED, status.RESOURCE_EXHAUSTED];
    decision.observe({ quality: 1 });
    const unsent = await client.reward(decision);
    assert.deepEqual([unsent.outcome, unsent.reason], ["unsent", "RESOURCE_EXHAUSTED: as told"]);
    assert.equal((await client.release(decision)).outcome, "unsent");
    assert.equal((await client.reward(decision, { costUsd: 1 })).outcome, "applied");
    assert.deepEqual([sidecar.rewards.at(-1)?.signals?.quality, sidecar.rewards.at(-1)?.signals?.costUsd], [1, 1]);
  });

  test("what an act that failed comes to is kept with it, and sent again as it was", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    sidecar.failures = [undefined, status.RESOURCE_EXHAUSTED];
    let failed: Decision | undefined;
    await assert.rejects(
      client.decide("route", ARMS, (decision) => {
        failed = decision;
        decision.observe({ quality: 1 });
        throw new Error("the model failed");
      }),
      /the model failed/,
    );
    assert.ok(failed);
    assert.equal(failed.report?.outcome, "unsent");
    assert.equal((await client.reward(failed)).outcome, "applied");
    assert.deepEqual([sidecar.rewards.at(-1)?.signals?.reward, sidecar.rewards.at(-1)?.signals?.quality], [0, 1]);
  });

  test("the same client finds a sidecar that crashed within about a second of its return", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    assert.equal((await client.recommend("route", ARMS)).source, "learned");
    sidecar.crash();
    const away = performance.now();
    while (performance.now() - away < 2500) {
      assert.equal((await client.recommend("route", ARMS)).source, "fallback");
      await sleep(100);
    }
    await sidecar.listen();
    const back = performance.now();
    while ((await client.recommend("route", ARMS)).source !== "learned") {
      assert.ok(performance.now() - back < 3000, "not found");
      await sleep(20);
    }
  });

  test("a closed client falls back, and may be closed again", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    const client = clientOf(t, sidecar);
    await client.recommend("route", ARMS);
    client.close();
    client.close();
    assert.equal((await client.recommend("route", ARMS)).source, "fallback");
    assert.equal(sidecar.recommends.length, 1);
  });

  test("a client closes at the end of its using block", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    let kept: LearningClient;
    {
      using client = new LearningClient({ address: sidecar.address, logger: new KeptLog() });
      kept = client;
    }
    assert.equal((await kept.recommend("route", ARMS)).source, "fallback");
    assert.equal(sidecar.recommends.length, 0);
  });

  test("a logger that fails fails no request", async (t) => {
    const sidecar = await ScriptedSidecar.started(t);
    sidecar.failures = [status.INTERNAL];
    const logger = {
      warn: () => {
        throw new Error("the disk is full");
      },
    };
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    assert.equal((await clientOf(t, sidecar, { logger }).recommend("route", ARMS)).source, "fallback");
    assert.match((await warned).message, /the disk is full/);
  });
});
