package io.github.learningsidecar.conformance;

import io.github.learningsidecar.DecisionOptions;
import io.github.learningsidecar.OnError;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;

/** What is asked, and in which trace. */
record Asking(String domain, List<String> candidates, DecisionOptions options, Optional<String> traceparent) {
    private static final int FLAGS_AT = 53;

    static Asking of(Arguments order) {
        DecisionOptions options =
                DecisionOptions.with()
                        .context(order.numbers("context"))
                        .costCeilingsUsd(order.numbers("cost_ceilings_usd"));
        options = order.number("max_latency_ms").map(options::maxLatencyMs).orElse(options);
        options = order.number("reward_deadline_ms").map(options::rewardDeadlineMs).orElse(options);
        options = order.optionalText("decision_id").map(options::decisionId).orElse(options);
        return new Asking(order.text("domain"), order.texts("candidates"), options, order.optionalText("traceparent"));
    }

    /** As {@link #of}, with the rule for errors that a block has. */
    static Asking ofBlock(Arguments order) {
        Optional<OnError> rule =
                order.optionalText("on_error").map(word -> OnError.valueOf(word.toUpperCase(Locale.ROOT)));
        Asking asking = of(order);
        DecisionOptions options = rule.map(asking.options::onError).orElse(asking.options);
        return new Asking(asking.domain, asking.candidates, options, asking.traceparent);
    }

    /** Asks inside the trace. */
    <T> T inTrace(Supplier<T> asked) {
        return context().wrapSupplier(asked).get();
    }

    private Context context() {
        return traceparent.map(Asking::remote).orElse(Context.root());
    }

    private static Context remote(String traceparent) {
        String[] parts = traceparent.split("-");
        return Context.root()
                .with(
                        Span.wrap(
                                SpanContext.createFromRemoteParent(
                                        parts[1],
                                        parts[2],
                                        TraceFlags.fromHex(traceparent, FLAGS_AT),
                                        TraceState.getDefault())));
    }
}
