package io.github.learningsidecar;

/** How far a domain lets the learner act. */
public enum Mode {
    /** The first candidate is executed and nothing is recorded. */
    OFF,
    /** The first candidate is executed; what the policy would have done is recorded. */
    SHADOW,
    /** Where the policy's choice differs from the first candidate, it is executed in a small share of the decisions. */
    CANARY,
    /** There it is executed in all but a small share of the decisions. */
    LIVE,
    /** The policy's choice is executed, with no guarantee against the baseline. */
    UNGATED,
    /** Shadow, canary or live, as far as evidence allows: what operators ask for. Decisions name the one in force. */
    GATED,
    /** Not known: a fallback, or a sidecar newer than this client. */
    UNSPECIFIED
}
