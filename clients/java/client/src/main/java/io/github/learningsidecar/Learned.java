package io.github.learningsidecar;

/**
 * What {@code learn} did.
 *
 * @param <T> what the act returns
 * @param result what the act returned
 * @param decision the decision it was executed under; {@link Decision#report} tells what became of the reward
 */
public record Learned<T>(T result, Decision decision) {}
