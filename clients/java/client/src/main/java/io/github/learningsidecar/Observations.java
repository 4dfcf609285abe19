package io.github.learningsidecar;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.LongSupplier;

/** The signals of one act as they come in, and its stopwatch. Safe to share between threads. */
final class Observations {
    private static final double LATENCY_MS_MAX = 86_400_000;
    private static final double NANOS_PER_MS = 1e6;
    // The domain declares the range of quality, groundedness and safety; the client only knows that they are finite.
    private static final Range FINITE = new Range(Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY);
    private static final Map<String, Range> RANGES =
            Map.of(
                    "reward", new Range(0, 1),
                    "quality", FINITE,
                    "groundedness", FINITE,
                    "safety", FINITE,
                    "cost_usd", new Range(0, Numbers.COST_USD_MAX),
                    "latency_ms", new Range(0, LATENCY_MS_MAX));

    private record Range(double low, double high) {}

    private final SparseLog log;
    private final LongSupplier nanos;
    private final Map<String, Double> values = new LinkedHashMap<>();
    private boolean started;
    private long startedAt;
    private OptionalDouble elapsedMs = OptionalDouble.empty();

    Observations(SparseLog log, LongSupplier nanos) {
        this.log = log;
        this.nanos = nanos;
    }

    synchronized void start() {
        started = true;
        startedAt = nanos.getAsLong();
    }

    /** Stops timing the act. Only the first stop counts, and only after a start. */
    synchronized void stop() {
        if (started && elapsedMs.isEmpty()) {
            elapsedMs = OptionalDouble.of((nanos.getAsLong() - startedAt) / NANOS_PER_MS);
        }
    }

    /** Keeps every usable value, the last of each signal; logs and drops the others. */
    synchronized void add(Map<String, Double> signals) {
        signals.forEach(
                (name, value) -> {
                    Range range = RANGES.get(name);
                    if (range != null && Numbers.usable(value, range.low, range.high)) {
                        values.put(name, value);
                    } else {
                        log.note(
                                "signal",
                                "dropped the signal " + name + "=" + value + ": it is unknown or out of range");
                    }
                });
    }

    /** Returns what was observed, with the measured latency unless another was given. */
    synchronized Map<String, Double> values() {
        Map<String, Double> all = new LinkedHashMap<>();
        elapsedMs.ifPresent(ms -> all.put("latency_ms", Math.min(ms, LATENCY_MS_MAX)));
        all.putAll(values);
        return all;
    }

    synchronized boolean isEmpty() {
        return values.isEmpty();
    }
}
