package io.github.learningsidecar;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;

/** Passes the app's OpenTelemetry context on with every call, when the app has OpenTelemetry at all. */
final class TraceHeaders {
    private TraceHeaders() {}

    static ClientInterceptor interceptor() {
        try {
            Class.forName(
                    "io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator",
                    false,
                    TraceHeaders.class.getClassLoader());
        } catch (ClassNotFoundException absent) {
            return new None();
        }
        return new Traced();
    }

    /** Without OpenTelemetry. */
    private static final class None implements ClientInterceptor {
        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            return next.newCall(method, options);
        }
    }

    /**
     * The only class that mentions OpenTelemetry, so that it is loaded only where that is there.
     *
     * <p>The format is always that of W3C, which the sidecar reads. The global propagators are left alone: to ask for
     * them before the app has set OpenTelemetry up would make that fail.
     */
    private static final class Traced implements ClientInterceptor {
        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            Context current = Context.current();
            return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
                @Override
                public void start(Listener<A> listener, Metadata headers) {
                    W3CTraceContextPropagator.getInstance().inject(current, headers, Traced::put);
                    super.start(listener, headers);
                }
            };
        }

        private static void put(Metadata headers, String name, String value) {
            if (headers != null) {
                headers.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
            }
        }
    }
}
