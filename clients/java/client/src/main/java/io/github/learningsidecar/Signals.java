package io.github.learningsidecar;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * What was seen of an act. The domain declares how the signals make one reward. Immutable.
 *
 * <pre>{@code
 * decision.observe(Signals.with().quality(0.9).costUsd(0.01));
 * }</pre>
 *
 * <p>Any number may be given: one that is not finite or out of its range is logged and left out when it is observed.
 */
public final class Signals {
    private static final Signals NONE = new Signals(Map.of());

    private final Map<String, Double> values;

    private Signals(Map<String, Double> values) {
        this.values = values;
    }

    /**
     * Starts with no signal.
     *
     * @return no signals, to which the others are added
     */
    public static Signals with() {
        return NONE;
    }

    /**
     * Adds the reward itself. When given it is taken as it is; the others then only feed averages and budgets.
     *
     * @param reward 0 to 1
     * @return these signals and this one
     */
    public Signals reward(double reward) {
        return signal("reward", reward);
    }

    /**
     * Adds how good the result was. Higher is better.
     *
     * @param quality within the domain's declared range (0 to 1 unless declared)
     * @return these signals and this one
     */
    public Signals quality(double quality) {
        return signal("quality", quality);
    }

    /**
     * Adds how well the result is supported by its sources. Higher is better.
     *
     * @param groundedness within the domain's declared range (0 to 1 unless declared)
     * @return these signals and this one
     */
    public Signals groundedness(double groundedness) {
        return signal("groundedness", groundedness);
    }

    /**
     * Adds how safe the result was. Higher is better.
     *
     * @param safety within the domain's declared range (0 to 1 unless declared)
     * @return these signals and this one
     */
    public Signals safety(double safety) {
        return signal("safety", safety);
    }

    /**
     * Adds what the act cost.
     *
     * @param costUsd in US dollars, 0 to 1,000,000
     * @return these signals and this one
     */
    public Signals costUsd(double costUsd) {
        return signal("cost_usd", costUsd);
    }

    /**
     * Adds how long the act took. A block measures it, unless it is given.
     *
     * @param latencyMs in milliseconds, 0 to 86,400,000
     * @return these signals and this one
     */
    public Signals latencyMs(double latencyMs) {
        return signal("latency_ms", latencyMs);
    }

    /**
     * Adds a signal by its name in the API, such as {@code cost_usd}. One that does not exist is logged and left out.
     *
     * @param name the name
     * @param value the value
     * @return these signals and this one
     */
    public Signals signal(String name, double value) {
        Map<String, Double> more = new LinkedHashMap<>(values);
        more.put(Objects.requireNonNull(name, "the name of a signal is null"), value);
        return new Signals(Collections.unmodifiableMap(more));
    }

    /**
     * Returns the signals by their names in the API.
     *
     * @return what was given, in its order; not to be changed
     */
    public Map<String, Double> values() {
        return values;
    }

    @Override
    public String toString() {
        return values.toString();
    }
}
