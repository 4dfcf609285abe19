package io.github.learningsidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Warnings cannot flood a log. */
class SparseLogTest {
    @Test
    @DisplayName("Each kind is logged once a minute, and the next one says how many were held back.")
    void sparse() {
        List<String> warnings = new ArrayList<>();
        Handler handler =
                new Handler() {
                    @Override
                    public void publish(LogRecord record) {
                        if (record.getLevel() == Level.WARNING) {
                            warnings.add(record.getMessage());
                        }
                    }

                    @Override
                    public void flush() {
                        // Nothing is kept back.
                    }

                    @Override
                    public void close() {
                        // Nothing is open.
                    }
                };
        Logger logger = Logger.getLogger(SparseLog.NAME);
        logger.addHandler(handler);
        try {
            AtomicLong nanos = new AtomicLong();
            SparseLog log = new SparseLog(nanos::get);
            log.note("a", "first");
            log.note("a", "second");
            log.note("b", "other");
            nanos.addAndGet(SparseLog.INTERVAL.toNanos());
            log.note("a", "third");
        } finally {
            logger.removeHandler(handler);
        }
        assertEquals(
                List.of("first", "other", "third (1 more like this since the last such message)"), warnings);
    }
}
