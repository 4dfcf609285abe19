package io.github.learningsidecar.conformance;

import io.github.learningsidecar.Signals;
import java.util.List;
import java.util.Map;

/** What happens inside the block. */
record ActOrder(long sleepMs, List<Map<String, Double>> observe, boolean keepOpen, String raise) {
    static ActOrder of(Arguments order) {
        return order.inner("act").map(ActOrder::read).orElse(new ActOrder(0, List.of(), false, ""));
    }

    private static ActOrder read(Arguments act) {
        ActOrder read =
                new ActOrder(
                        act.number("sleep_ms").orElse(0.0).longValue(),
                        act.listOfNumbers("observe"),
                        act.flag("keep_open"),
                        act.optionalText("raise").orElse(""));
        act.done();
        return read;
    }

    void sleep() throws InterruptedException {
        Thread.sleep(sleepMs);
    }

    /** What the score function of {@code learn} returns: all that is to be observed. */
    Signals score() {
        Signals all = Signals.with();
        for (Map<String, Double> some : observe) {
            for (Map.Entry<String, Double> one : some.entrySet()) {
                all = all.signal(one.getKey(), one.getValue());
            }
        }
        return all;
    }

    static Signals signals(Map<String, Double> values) {
        return new ActOrder(0, List.of(values), false, "").score();
    }
}
