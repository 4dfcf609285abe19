/**
 * A fake for the tests of an app: the client itself, with a sidecar that lives in memory. Only the wire is replaced,
 * so blocks, timing and reports are the real thing.
 *
 * ```ts
 * const fake = new FakeLearning(() => "large");
 * await handleRequest(fake, question);
 * assert.equal(fake.rewards[0]?.signals.quality, 1);
 * ```
 */
import { LearningClient } from "./client.js";
import type { ClientOptions } from "./endpoint.js";
import { FakeSidecar, type Chooser, type FakeReward } from "./fake-sidecar.js";

export type { Chooser, FakeReward } from "./fake-sidecar.js";

/** A `LearningClient` without a sidecar. A chooser that gives no candidate makes `decide` reject with a RangeError. */
export class FakeLearning extends LearningClient {
  readonly #sidecar: FakeSidecar;

  /**
   * Makes a fake.
   *
   * @param choose Says which arm to execute. Absent: always the first candidate.
   * @param options As for a `LearningClient`; what is about the connection has no effect.
   */
  constructor(choose?: Chooser, options: ClientOptions = {}) {
    const sidecar = new FakeSidecar(choose);
    super(options, sidecar);
    this.#sidecar = sidecar;
  }

  /** Every reward that came, in order. */
  get rewards(): readonly FakeReward[] {
    return this.#sidecar.rewards;
  }

  /** The ids of the decisions that were released, in order. */
  get released(): readonly string[] {
    return this.#sidecar.released;
  }

  /** Whether the sidecar is played as missing: set it to see the app fall back. */
  get away(): boolean {
    return this.#sidecar.away;
  }

  set away(away: boolean) {
    this.#sidecar.away = away;
  }
}
