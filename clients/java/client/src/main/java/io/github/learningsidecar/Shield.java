package io.github.learningsidecar;

/** A limit that is enforced before an arm is returned. */
public enum Shield {
    /** The budgets of the domain and of the workspace. */
    BUDGET,
    /** What the request can wait. */
    LATENCY,
    /** What a newer sidecar says that this client does not know yet. */
    UNSPECIFIED
}
