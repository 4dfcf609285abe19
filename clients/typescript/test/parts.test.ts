/** Goal: the stopwatch and the sparse log, on a clock that the test moves. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Observations } from "../src/observations.js";
import { SparseLog } from "../src/sparse-log.js";
import { KeptLog } from "./app.js";

suite("the sparse log", () => {
  test("says each kind once a minute, and how many were held back", () => {
    let nowMs = 0;
    const logger = new KeptLog();
    const log = new SparseLog(logger, () => nowMs);
    for (let time = 0; time < 4; time += 1) log.note("one", "first kind");
    log.note("two", "second kind");
    nowMs = 60_000;
    log.note("one", "first kind");
    nowMs = 120_000;
    log.note("one", "first kind");
    assert.deepEqual(logger.messages, [
      "learning: first kind",
      "learning: second kind",
      "learning: first kind (3 more like this since the last such message)",
      "learning: first kind",
    ]);
  });
});

suite("the stopwatch", () => {
  const log = new SparseLog(new KeptLog());

  test("measures from the start to the first stop, and a latency that was given wins", () => {
    let nowMs = 100;
    const observed = new Observations(log, () => nowMs);
    observed.stop();
    assert.deepEqual(observed.values(), {});
    observed.start();
    nowMs = 130;
    observed.stop();
    nowMs = 500;
    observed.stop();
    assert.deepEqual(observed.values(), { latencyMs: 30 });
    observed.add({ latencyMs: 5 });
    assert.deepEqual(observed.values(), { latencyMs: 5 });
  });

  test("an act that took more than a day is reported as a day", () => {
    let nowMs = 0;
    const observed = new Observations(log, () => nowMs);
    observed.start();
    nowMs = 1e9;
    observed.stop();
    assert.equal(observed.values().latencyMs, 86_400_000);
  });
});
