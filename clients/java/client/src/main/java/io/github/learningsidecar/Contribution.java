package io.github.learningsidecar;

/**
 * One signal's part in a reward.
 *
 * @param signal the signal's name, such as {@code quality}
 * @param value the value as reported, in the signal's unit
 * @param normalized the value on the declared range, 0 (worst) to 1 (best)
 * @param weight the share of the weights, 0 to 1; all shares add up to 1
 */
public record Contribution(String signal, double value, double normalized, double weight) {}
