package io.github.learningsidecar;

/** Who chose the arm. */
public enum Source {
    /** The policy chose it. */
    LEARNED,
    /** It is the first candidate, because the domain's mode says so. */
    BASELINE,
    /** This decision id was answered before; this is that answer. */
    REPLAY,
    /** The sidecar could not ask its store; it is the first candidate and was not recorded. */
    DEGRADED,
    /** A budget or latency shield chose it, because what would have been executed was not allowed. */
    SHIELD,
    /** The sidecar was missing, late or failing, so the client took the first candidate. */
    FALLBACK,
    /** What a newer sidecar says that this client does not know yet. */
    UNSPECIFIED
}
