package io.github.learningsidecar;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What may be said about one decision; all optional. Immutable.
 *
 * <pre>{@code
 * DecisionOptions.with().context("tokens", 812).costCeilingUsd("large", 0.02).onError(OnError.RELEASE)
 * }</pre>
 *
 * <p>Any number may be given: one that is not finite or out of its range is logged and left out when it is used.
 */
public final class DecisionOptions {
    private static final DecisionOptions NONE =
            new DecisionOptions(
                    Map.of(),
                    Map.of(),
                    OptionalDouble.empty(),
                    OptionalDouble.empty(),
                    Optional.empty(),
                    OnError.WORST);
    private static final double NANOS_PER_MS = 1e6;
    private static final double MS_PER_SECOND = 1e3;

    private final Map<String, Number> context;
    private final Map<String, Number> costCeilingsUsd;
    private final OptionalDouble maxLatencyMs;
    private final OptionalDouble rewardDeadlineMs;
    private final Optional<String> decisionId;
    private final OnError onError;

    private DecisionOptions(
            Map<String, Number> context,
            Map<String, Number> costCeilingsUsd,
            OptionalDouble maxLatencyMs,
            OptionalDouble rewardDeadlineMs,
            Optional<String> decisionId,
            OnError onError) {
        this.context = context;
        this.costCeilingsUsd = costCeilingsUsd;
        this.maxLatencyMs = maxLatencyMs;
        this.rewardDeadlineMs = rewardDeadlineMs;
        this.decisionId = decisionId;
        this.onError = onError;
    }

    /**
     * Starts with no option.
     *
     * @return no options, to which others are added
     */
    public static DecisionOptions with() {
        return NONE;
    }

    /**
     * Adds a numeric feature of the request; at most 64 are sent.
     *
     * @param feature its name
     * @param value its value, -1e12 to 1e12
     * @return these options and this one
     */
    public DecisionOptions context(String feature, double value) {
        return context(Map.of(feature, value));
    }

    /**
     * Adds numeric features of the request; at most 64 are sent.
     *
     * @param features their values by name, -1e12 to 1e12
     * @return these options and these
     */
    public DecisionOptions context(Map<String, ? extends Number> features) {
        return new DecisionOptions(
                joined(context, features), costCeilingsUsd, maxLatencyMs, rewardDeadlineMs, decisionId, onError);
    }

    /**
     * Adds the most that executing an arm can cost. It is reserved from the budgets until the reward tells the actual
     * cost.
     *
     * @param arm the arm; one that is no candidate is ignored
     * @param usd US dollars, 0 to 1,000,000
     * @return these options and this one
     */
    public DecisionOptions costCeilingUsd(String arm, double usd) {
        return costCeilingsUsd(Map.of(arm, usd));
    }

    /**
     * Adds the most that executing each arm can cost, see {@link #costCeilingUsd}.
     *
     * @param usdByArm US dollars, 0 to 1,000,000, by arm
     * @return these options and these
     */
    public DecisionOptions costCeilingsUsd(Map<String, ? extends Number> usdByArm) {
        return new DecisionOptions(
                context, joined(costCeilingsUsd, usdByArm), maxLatencyMs, rewardDeadlineMs, decisionId, onError);
    }

    /**
     * Says how long the act may take; absent, the domain's limit holds.
     *
     * @param limit 0 or less asks for the fastest arm
     * @return these options and this one
     */
    public DecisionOptions maxLatency(Duration limit) {
        return maxLatencyMs(milliseconds(limit));
    }

    /**
     * Says how long the act may take; absent, the domain's limit holds.
     *
     * @param ms milliseconds; 0 or less asks for the fastest arm
     * @return these options and this one
     */
    public DecisionOptions maxLatencyMs(double ms) {
        return new DecisionOptions(
                context, costCeilingsUsd, OptionalDouble.of(ms), rewardDeadlineMs, decisionId, onError);
    }

    /**
     * Says how long the sidecar waits for the reward; absent, the domain's deadline holds.
     *
     * @param deadline 1 ms to 7 days
     * @return these options and this one
     */
    public DecisionOptions rewardDeadline(Duration deadline) {
        return rewardDeadlineMs(milliseconds(deadline));
    }

    /**
     * Says how long the sidecar waits for the reward; absent, the domain's deadline holds.
     *
     * @param ms milliseconds, 1 to 604,800,000
     * @return these options and this one
     */
    public DecisionOptions rewardDeadlineMs(double ms) {
        return new DecisionOptions(context, costCeilingsUsd, maxLatencyMs, OptionalDouble.of(ms), decisionId, onError);
    }

    /**
     * Names the decision; asking again with the same id gives the same answer. Absent, the client makes one.
     *
     * @param id 1 to 128 printable ASCII characters without spaces
     * @return these options and this one
     * @throws IllegalArgumentException it is no such id
     */
    public DecisionOptions decisionId(String id) {
        return new DecisionOptions(
                context, costCeilingsUsd, maxLatencyMs, rewardDeadlineMs, Optional.of(Names.identity(id)), onError);
    }

    /**
     * Says what is reported when the act of a block fails; {@link OnError#WORST} unless said.
     *
     * @param rule what is reported
     * @return these options and this one
     */
    public DecisionOptions onError(OnError rule) {
        Objects.requireNonNull(rule, "the rule for errors is null");
        return new DecisionOptions(context, costCeilingsUsd, maxLatencyMs, rewardDeadlineMs, decisionId, rule);
    }

    Map<String, Number> context() {
        return context;
    }

    Map<String, Number> costCeilingsUsd() {
        return costCeilingsUsd;
    }

    OptionalDouble maxLatencyMs() {
        return maxLatencyMs;
    }

    OptionalDouble rewardDeadlineMs() {
        return rewardDeadlineMs;
    }

    Optional<String> decisionId() {
        return decisionId;
    }

    OnError onError() {
        return onError;
    }

    private static Map<String, Number> joined(Map<String, Number> before, Map<String, ? extends Number> more) {
        Map<String, Number> all = new LinkedHashMap<>(before);
        all.putAll(more);
        return all;
    }

    private static double milliseconds(Duration duration) {
        return duration.getSeconds() * MS_PER_SECOND + duration.getNano() / NANOS_PER_MS;
    }
}
