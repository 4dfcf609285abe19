package io.github.learningsidecar;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Logs each kind of warning at most once a minute, and says how many were held back in between: a sidecar that is away
 * would otherwise say so on every request.
 */
final class SparseLog {
    static final String NAME = "io.github.learningsidecar";
    static final Duration INTERVAL = Duration.ofMinutes(1);

    private static final Logger LOGGER = System.getLogger(NAME);

    private final LongSupplier nanos;
    private final Map<String, Silence> silences = new HashMap<>();

    SparseLog(LongSupplier nanos) {
        this.nanos = nanos;
    }

    /** Logs at WARNING, or at DEBUG when this kind was logged less than a minute ago. */
    void note(String kind, String message, Throwable cause) {
        int heldBack = heldBack(kind);
        if (heldBack < 0) {
            LOGGER.log(Level.DEBUG, message, cause);
        } else if (heldBack == 0) {
            LOGGER.log(Level.WARNING, message, cause);
        } else {
            String more = " (" + heldBack + " more like this since the last such message)";
            LOGGER.log(Level.WARNING, message + more, cause);
        }
    }

    void note(String kind, String message) {
        note(kind, message, null);
    }

    /** Returns how many were held back since this kind was last logged; -1 when it is not due yet. */
    private synchronized int heldBack(String kind) {
        long now = nanos.getAsLong();
        Silence silence = silences.get(kind);
        if (silence != null && now - silence.since < INTERVAL.toNanos()) {
            silence.heldBack++;
            return -1;
        }
        silences.put(kind, new Silence(now));
        return silence == null ? 0 : silence.heldBack;
    }

    private static final class Silence {
        final long since;
        int heldBack;

        Silence(long since) {
            this.since = since;
        }
    }
}
