/** What the app of this driver has seen of one decision. */
import type { Decision } from "learning-sidecar-client";

/** A decision, and what became of its act. */
export class Seen {
  decision: Decision | undefined;
  acted = false;
  raised = false;
  readonly #beganMs = performance.now();
  #askMs = 0;

  /** Notes that the answer is there. */
  asked(decision: Decision): void {
    this.decision = decision;
    this.#askMs = performance.now() - this.#beganMs;
  }

  /** Tells the decision in the words of the suite. */
  told(): object {
    const decision = this.decision;
    if (decision === undefined) throw new Error("no decision was seen");
    return {
      domain: decision.domain,
      decision_id: decision.decisionId,
      arm: decision.arm,
      baseline: decision.baseline,
      source: decision.source,
      mode: decision.mode,
      propensity: decision.propensity,
      proposal: decision.proposal,
      refused: decision.refused,
      degraded: decision.degraded,
      recorded: decision.recorded,
      shields: decision.shields,
      expires_at_unix_ms: decision.expiresAtUnixMs,
      ask_ms: this.#askMs,
    };
  }

  /** Tells, besides, what became of the act. */
  toldWithAct(): object {
    const report = this.decision?.report;
    const reward = report !== undefined && "reward" in report ? (report.reward ?? null) : null;
    return {
      ...this.told(),
      acted: this.acted,
      raised: this.raised,
      report: report === undefined ? null : { outcome: report.outcome, reward },
    };
  }
}
