package io.github.learningsidecar;

/** What a shield did with an arm. */
public enum ShieldEffect {
    /** The arm was taken out of the choice. */
    STEPPED_OVER,
    /** No arm was allowed, so the fastest was executed. */
    FASTEST_ANYWAY,
    /** No arm was affordable, so the cheapest was executed. */
    CHEAPEST_ANYWAY,
    /** No arm was affordable, and the domain declares that then none is executed. */
    REFUSED,
    /** What a newer sidecar says that this client does not know yet. */
    UNSPECIFIED
}
