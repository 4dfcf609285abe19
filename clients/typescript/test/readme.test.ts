/** Goal: the README's examples work as they stand. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ScriptedSidecar } from "./scripted-sidecar.js";

const PACKAGE = new URL("../", import.meta.url);
const APP = `
async function askModel(arm: string) { return { text: arm, costUsd: 0.01 }; }
function grade(answer: { text: string }) { return answer.text === "" ? 0 : 0.9; }
`;

test("every example of the README runs, and its decisions reach the sidecar", async (t) => {
  const sidecar = await ScriptedSidecar.started(t);
  process.env["LEARNING_ADDRESS"] = sidecar.address;
  const directory = new URL(".readme/", PACKAGE);
  mkdirSync(directory, { recursive: true });
  t.after(() => {
    delete process.env["LEARNING_ADDRESS"];
    rmSync(directory, { recursive: true });
  });
  t.mock.method(console, "log", () => undefined);
  const unmet = t.mock.method(console, "assert");
  const readme = readFileSync(new URL("README.md", PACKAGE), "utf8");
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map((found) => found[1] ?? "");
  assert.equal(examples.length, 4);

  const whole = new URL("examples.ts", directory);
  // A patient client: whether the machine is busy is not what the examples are about.
  const patient = examples.join("\n").replace("new LearningClient()", "new LearningClient({ timeoutMs: 5000 })");
  writeFileSync(whole, `${patient}\n${APP}\nclient.close();\n`);
  await import(whole.href);

  assert.deepEqual(
    sidecar.recommends.map((request) => request.domain),
    ["route", "prompt", "route"],
  );
  assert.deepEqual(
    sidecar.rewards.map((request) => request.moreToCome),
    [false, false, true, false],
  );
  assert.deepEqual(
    unmet.mock.calls.map((call) => call.arguments[0] as unknown),
    [true],
  );
});
