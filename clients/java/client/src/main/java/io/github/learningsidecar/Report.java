package io.github.learningsidecar;

/** What became of the report that a block sent at its end. */
public sealed interface Report permits RewardResult, ReleaseResult {
    /**
     * Tells why nothing was delivered.
     *
     * @return the reason; empty unless the outcome is {@code UNSENT}
     */
    String reason();
}
