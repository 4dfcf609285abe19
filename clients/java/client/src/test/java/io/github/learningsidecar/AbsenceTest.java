package io.github.learningsidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the app feels when the sidecar is missing, late, failing or dying. */
class AbsenceTest {
    private static final List<String> ARMS = List.of("small", "large");
    private static final Duration COMES_BACK_WITHIN = Duration.ofSeconds(10);

    private static int freePort() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return taken.getLocalPort();
        }
    }

    private static void assertFallback(Decision decision) {
        assertEquals(Source.FALLBACK, decision.source());
        assertEquals("small", decision.arm());
        assertEquals(1, decision.propensity());
        assertTrue(decision.degraded());
        assertFalse(decision.recorded());
    }

    private static Decision askUntilAnswered(LearningClient client) throws InterruptedException {
        long giveUp = System.nanoTime() + COMES_BACK_WITHIN.toNanos();
        Decision decision = client.recommend("route", ARMS);
        while (decision.source() == Source.FALLBACK && System.nanoTime() < giveUp) {
            Thread.sleep(20);
            decision = client.recommend("route", ARMS);
        }
        return decision;
    }

    @Test
    @DisplayName("Nobody listens, on TCP or a unix socket: the first candidate is used and nothing is reported.")
    void missing(@TempDir Path directory) throws IOException {
        for (String address : List.of("127.0.0.1:" + freePort(), "unix:" + directory.resolve("none.sock"))) {
            try (LearningClient client = LearningClient.builder().address(address).build()) {
                OpenDecision kept;
                try (OpenDecision decision = client.decide("route", ARMS)) {
                    kept = decision;
                    decision.observe(Signals.with().quality(1));
                }
                assertFallback(kept);
                assertTrue(kept.report().isEmpty());
                assertEquals(RewardOutcome.UNSENT, client.reward(kept).outcome());
                assertEquals(ReleaseOutcome.UNSENT, client.release(kept).outcome());
            }
        }
    }

    @Test
    @DisplayName("Nobody listens: a call fails at once, and does not wait for its deadline.")
    void missingIsNoticedAtOnce() throws IOException {
        try (LearningClient client =
                LearningClient.builder().address("127.0.0.1:" + freePort()).timeout(Duration.ofMinutes(1)).build()) {
            client.recommend("route", ARMS);
            long fastest = Long.MAX_VALUE;
            for (int i = 0; i < 20; i++) {
                long begun = System.nanoTime();
                client.recommend("route", ARMS);
                fastest = Math.min(fastest, System.nanoTime() - begun);
            }
            assertTrue(fastest < Duration.ofMillis(5).toNanos(), fastest + " ns");
        }
    }

    @Test
    @DisplayName("A late answer is not waited for, and the end of the block releases what it may have reserved.")
    void late() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().timeout(Duration.ofMillis(500)).build()) {
            client.recommend("route", ARMS);
            sidecar.delay = Duration.ofSeconds(2);
            long begun = System.nanoTime();
            OpenDecision kept;
            try (OpenDecision decision = client.decide("route", ARMS)) {
                kept = decision;
                assertTrue(System.nanoTime() - begun < Duration.ofSeconds(2).toNanos());
                assertFallback(decision);
                sidecar.delay = Duration.ZERO;
                decision.observe(Signals.with().quality(1));
            }
            assertEquals(List.of(kept.decisionId()), sidecar.releases.stream().map(one -> one.getDecisionId()).toList());
            assertEquals(List.of(), sidecar.rewards);
        }
    }

    @ParameterizedTest
    @EnumSource(value = Status.Code.class, mode = EnumSource.Mode.EXCLUDE, names = "OK")
    @DisplayName("Whatever status the sidecar answers, the app goes on with the first candidate.")
    void failing(Status.Code code) throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            sidecar.failures.addAll(List.of(code.toStatus(), code.toStatus()));
            assertFallback(client.recommend("route", ARMS));
            assertEquals(code == Status.Code.UNAVAILABLE ? 2 : 1, sidecar.recommends.size());
        }
    }

    @Test
    @DisplayName("A lost connection is tried again with the same id.")
    void retried() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            sidecar.failures.add(Status.UNAVAILABLE);
            Decision decision = client.recommend("route", ARMS);
            assertEquals(Source.LEARNED, decision.source());
            assertEquals(
                    List.of(decision.decisionId(), decision.decisionId()),
                    sidecar.recommends.stream().map(one -> one.getDecisionId()).toList());
        }
    }

    @Test
    @DisplayName("An arm that is none of the candidates is never executed.")
    void strange() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            sidecar.answer = chosen -> chosen.toBuilder().setArm("unheard-of").build();
            assertFallback(client.recommend("route", ARMS));
        }
    }

    @Test
    @DisplayName("A sidecar that dies during the act loses the reward, and says so; another at its address is found.")
    void dies() throws IOException, InterruptedException {
        ScriptedSidecar sidecar = new ScriptedSidecar();
        int port = sidecar.port();
        try (LearningClient client = sidecar.client().build()) {
            OpenDecision kept;
            try (OpenDecision decision = client.decide("route", ARMS)) {
                kept = decision;
                sidecar.close();
                decision.observe(Signals.with().quality(1));
            }
            RewardResult lost = (RewardResult) kept.report().orElseThrow();
            assertEquals(RewardOutcome.UNSENT, lost.outcome());
            assertTrue(lost.reason().startsWith("UNAVAILABLE"), lost.reason());
            // Long enough for gRPC's own back-off to have grown beyond what is waited for here.
            Thread.sleep(3_000);
            try (ScriptedSidecar next = new ScriptedSidecar(port)) {
                assertEquals(Source.LEARNED, askUntilAnswered(client).source());
                assertEquals(1, next.recommends.size());
            }
        }
    }

    @Test
    @DisplayName("A call on an interrupted thread falls back and leaves the thread interrupted.")
    void interrupted() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar();
                LearningClient client = sidecar.client().build()) {
            Thread.currentThread().interrupt();
            Decision decision = client.recommend("route", ARMS);
            assertTrue(Thread.interrupted());
            assertFallback(decision);
        }
    }

    @Test
    @DisplayName("A closed client falls back as if nobody listened, and may be closed again.")
    void closed() throws IOException {
        try (ScriptedSidecar sidecar = new ScriptedSidecar()) {
            LearningClient client = sidecar.client().build();
            client.close();
            assertFallback(client.recommend("route", ARMS));
            client.close();
        }
    }
}
