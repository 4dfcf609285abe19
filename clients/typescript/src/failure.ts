/** Why a call has no answer. */
import { status } from "@grpc/grpc-js";

/** Why a call has no answer. */
export class Failure {
  /** The name of a gRPC status code, or of an error's class. */
  readonly code: string;
  /** What is known about it, for people. */
  readonly details: string;

  /** Describes a failure. */
  constructor(code: string, details: string) {
    this.code = code;
    this.details = details;
  }

  /** Describes what a transport threw. */
  static of(error: unknown): Failure {
    if (!(error instanceof Error)) return new Failure("UNKNOWN", String(error));
    const { code, details } = error as Partial<{ code: unknown; details: unknown }>;
    if (typeof code === "number" && typeof details === "string")
      return new Failure(status[code] ?? String(code), details);
    return new Failure(error.name, error.message);
  }

  /** Whether the sidecar may have done what was asked, with the answer coming too late. */
  get answerMissed(): boolean {
    return this.code === status[status.DEADLINE_EXCEEDED];
  }

  /** One line for a log. */
  toString(): string {
    return this.details === "" ? this.code : `${this.code}: ${this.details}`;
  }
}
