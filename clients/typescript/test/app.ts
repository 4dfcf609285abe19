/** What the tests' app has: a client that waits patiently, and a logger that remembers. */
import type { TestContext } from "node:test";
import { LearningClient, type ClientOptions, type Logger } from "learning-sidecar-client";
import type { ScriptedSidecar } from "./scripted-sidecar.js";

/** A busy machine is no slow sidecar. */
export const PATIENT_MS = 5_000;

/** Keeps what was logged. */
export class KeptLog implements Logger {
  readonly messages: string[] = [];

  /** Takes one warning. */
  warn(message: string): void {
    this.messages.push(message);
  }
}

/** Makes a client that is closed at the end of the test. */
export function clientOf(test: TestContext, sidecar: ScriptedSidecar, options: ClientOptions = {}): LearningClient {
  const client = new LearningClient({
    address: sidecar.address,
    timeoutMs: PATIENT_MS,
    logger: new KeptLog(),
    ...options,
  });
  test.after(() => {
    client.close();
  });
  return client;
}
