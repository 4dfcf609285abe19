package io.github.learningsidecar;

/** What is reported when the act fails; its exception always comes out of the block unchanged. */
public enum OnError {
    /** A reward of 0 with the latency and whatever cost was observed: the arm failed. */
    WORST,
    /** The money is given back and nothing is learned: the arm is not to blame. */
    RELEASE,
    /** Nothing: at the deadline the sidecar applies the domain's rule for missing rewards. */
    IGNORE
}
