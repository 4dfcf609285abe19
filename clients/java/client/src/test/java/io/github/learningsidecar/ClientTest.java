package io.github.learningsidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Metadata;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What a client sends besides the question, and how it is configured. */
class ClientTest {
    private static final List<String> ARMS = List.of("small", "large");
    private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";

    private static String header(ScriptedSidecar sidecar, int call, String name) {
        return sidecar.headers.get(call).get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
    }

    @Test
    @DisplayName("Tenant, workspace, token and headers go with every call, and options arrive in their fields.")
    void requests() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client =
                        sidecar.client().tenant("acme").workspace("chat").token("secret").header("x-team", "a").build()) {
            DecisionOptions options =
                    DecisionOptions.with()
                            .context("tokens", 812)
                            .costCeilingUsd("large", 0.02)
                            .costCeilingUsd("stranger", 1)
                            .maxLatency(Duration.ofMillis(1_500))
                            .rewardDeadline(Duration.ofMinutes(1))
                            .decisionId("request-17");
            client.release(client.recommend("route", ARMS, options));

            String expected =
                    """
                    tenant: "acme"
                    workspace: "chat"
                    domain: "route"
                    decision_id: "request-17"
                    candidates {
                      arm: "small"
                    }
                    candidates {
                      arm: "large"
                      cost_ceiling_usd: 0.02
                    }
                    context {
                      key: "tokens"
                      value: 812.0
                    }
                    max_latency_ms: 1500.0
                    reward_deadline_ms: 60000
                    """;
            assertEquals(expected, sidecar.recommends.get(0).toString());
            assertEquals("acme", sidecar.releases.get(0).getTenant());
            for (int call = 0; call < 2; call++) {
                assertEquals("Bearer secret", header(sidecar, call, "authorization"));
                assertEquals("a", header(sidecar, call, "x-team"));
            }
        }
    }

    @Test
    @DisplayName("What cannot be sent is told without what it was, for it may be a secret.")
    void secrets() {
        LearningClientBuilder builder = LearningClient.builder();
        for (Executable wrong :
                List.<Executable>of(
                        () -> builder.token("s3cret\n"),
                        () -> builder.header("authorization", "Bearer s3cret\n"))) {
            Throwable told = assertThrows(IllegalArgumentException.class, wrong);
            assertFalse(told.toString().contains("s3cret"), told::toString);
            assertNull(told.getCause());
        }
    }

    @Test
    @DisplayName("The app's trace is passed on; without one nothing is.")
    void trace() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            SpanContext span =
                    SpanContext.create(TRACE, "b7ad6b7169203331", TraceFlags.getSampled(), TraceState.getDefault());
            Context.root().with(Span.wrap(span)).wrapSupplier(() -> client.recommend("route", ARMS)).get();
            client.recommend("route", ARMS);

            assertEquals("00-" + TRACE + "-b7ad6b7169203331-01", header(sidecar, 0, "traceparent"));
            assertNull(header(sidecar, 1, "traceparent"));
        }
    }

    @Test
    @DisplayName("Threads share a client, and each has a decision of its own.")
    void threads() throws IOException, InterruptedException, ExecutionException {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            List<Future<String>> blocks = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                blocks.add(
                        threads.submit(
                                () ->
                                        client.decide(
                                                "route", ARMS, DecisionOptions.with(), decision -> decision.decisionId())));
            }
            Set<String> ids = new HashSet<>();
            for (Future<String> block : blocks) {
                ids.add(block.get());
            }
            assertEquals(64, ids.size());
            assertEquals(64, sidecar.rewards.size());
        } finally {
            threads.shutdown();
        }
    }

    @Test
    @DisplayName("A wrong setting is a mistake of the program.")
    void mistakes() {
        assertThrows(IllegalArgumentException.class, () -> LearningClient.builder().address("").build());
        assertThrows(
                IllegalArgumentException.class, () -> LearningClient.builder().timeout(Duration.ZERO).build());
        assertThrows(IllegalArgumentException.class, () -> LearningClient.builder().tenant("a\tb"));
        assertThrows(IllegalArgumentException.class, () -> LearningClient.builder().tls(Path.of("/nowhere.pem")));
        assertThrows(IllegalArgumentException.class, () -> LearningClient.builder().header("not a name", "x"));
    }
}
