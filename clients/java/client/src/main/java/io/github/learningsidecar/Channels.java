package io.github.learningsidecar;

import io.github.learningsidecar.v1.LearningGrpc;
import io.grpc.ChannelCredentials;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.ManagedChannelProvider.ProviderNotFoundException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Opens the connection to a sidecar, and tells gRPC how to behave on it. */
final class Channels {
    private static final String UNIX = "unix:";
    private static final int CONNECT_TIMEOUT_MS = 1_000;
    private static final int RECONNECT_MS = 500;
    private static final int KEEPALIVE_MS = 10_000;
    private static final int KEEPALIVE_TIMEOUT_MS = 2_000;

    // Only calls that are idempotent by their decision id are listed, and only a lost connection is tried again: the
    // app's deadline ends the attempts anyway. The throttle stops them after two failures in a row, so that while
    // nobody listens a call fails at once instead of after a second attempt.
    private static final Map<String, Object> SERVICE_CONFIG =
            Map.of(
                    "methodConfig",
                    List.of(
                            Map.of(
                                    "name",
                                    List.of(
                                            method("Recommend"),
                                            method("Reward"),
                                            method("Release"),
                                            Map.of("service", WarmUp.HEALTH_SERVICE)),
                                    "retryPolicy",
                                    Map.of(
                                            "maxAttempts", 2.0,
                                            "initialBackoff", "0.005s",
                                            "maxBackoff", "0.02s",
                                            "backoffMultiplier", 2.0,
                                            "retryableStatusCodes", List.of("UNAVAILABLE")))),
                    "retryThrottling",
                    Map.of("maxTokens", 4.0, "tokenRatio", 0.5));

    private Channels() {}

    /** Opens a channel that begins to connect and goes on trying. */
    static ManagedChannel open(String address, ChannelCredentials credentials) {
        ManagedChannel channel =
                builder(address, credentials)
                        .defaultServiceConfig(SERVICE_CONFIG)
                        .disableServiceConfigLookUp()
                        // Finds a peer that vanished without closing its connection. Not without calls in flight,
                        // because servers hang up on those who ping an idle connection.
                        .keepAliveTime(KEEPALIVE_MS, TimeUnit.MILLISECONDS)
                        .keepAliveTimeout(KEEPALIVE_TIMEOUT_MS, TimeUnit.MILLISECONDS)
                        .keepAliveWithoutCalls(false)
                        // A sidecar is next door; a proxy is meant for the world outside.
                        .proxyDetector(target -> null)
                        .build();
        keepConnected(channel);
        return channel;
    }

    private static ManagedChannelBuilder<?> builder(String address, ChannelCredentials credentials) {
        try {
            if (!address.startsWith(UNIX)) {
                return NettyChannelBuilder.forTarget(address, credentials)
                        .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_TIMEOUT_MS);
            }
            ManagedChannelBuilder<?> local = Grpc.newChannelBuilder(address, credentials);
            if (local instanceof NettyChannelBuilder netty) {
                // Takes back what gRPC sets for TCP: a unix socket has no such option, and Netty would warn each time.
                netty.withOption(ChannelOption.SO_KEEPALIVE, null);
            }
            return local;
        } catch (ProviderNotFoundException error) {
            throw new IllegalArgumentException(address + " cannot be reached: unix sockets need Linux", error);
        }
    }

    /**
     * Connects now, and after a loss twice a second until it succeeds. By itself gRPC for Java waits longer after each
     * failure, up to two minutes, and after a loss does not connect before the next call. Calls are not held up by it:
     * while there is no connection they fail at once.
     */
    private static void keepConnected(ManagedChannel channel) {
        ConnectivityState state = channel.getState(true);
        switch (state) {
            case SHUTDOWN -> {}
            case TRANSIENT_FAILURE -> {
                channel.resetConnectBackoff();
                later(() -> keepConnected(channel));
            }
            // Not at once: a server that hangs up on everyone would be called again without end.
            default -> channel.notifyWhenStateChanged(state, () -> later(() -> keepConnected(channel)));
        }
    }

    private static void later(Runnable step) {
        CompletableFuture.delayedExecutor(RECONNECT_MS, TimeUnit.MILLISECONDS).execute(step);
    }

    private static Map<String, String> method(String name) {
        return Map.of("service", LearningGrpc.SERVICE_NAME, "method", name);
    }
}
