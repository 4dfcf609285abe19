package io.github.learningsidecar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.learningsidecar.v1.RecommendOutcome;
import io.github.learningsidecar.v1.RewardRequest;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever happens inside a block, exactly the report that the rules ask for arrives. */
class BlockTest {
    private static final List<String> ARMS = List.of("small", "large");

    private ScriptedSidecar sidecar;
    private LearningClient client;

    @BeforeEach
    void start() throws IOException {
        sidecar = new ScriptedSidecar();
        client = sidecar.client().build();
    }

    @AfterEach
    void stop() {
        client.close();
        sidecar.close();
    }

    private DecisionOptions onError(OnError rule) {
        return DecisionOptions.with().onError(rule);
    }

    private static Set<String> names(RewardRequest reward) {
        return reward.getSignals().getAllFields().keySet().stream().map(one -> one.getName()).collect(Collectors.toSet());
    }

    @Test
    @DisplayName("A try block reports what it observed, the last value of each signal, and how long it took.")
    void tryReports() throws InterruptedException {
        OpenDecision kept;
        try (OpenDecision decision = client.decide("route", ARMS)) {
            kept = decision;
            assertEquals("large", decision.arm());
            Thread.sleep(20);
            decision.observe(Signals.with().quality(0.2).costUsd(0.01));
            decision.observe(Signals.with().quality(0.9));
        }
        RewardRequest reward = sidecar.rewards.get(0);
        assertEquals(Set.of("quality", "cost_usd", "latency_ms"), names(reward));
        assertEquals(0.9, reward.getSignals().getQuality());
        assertTrue(reward.getSignals().getLatencyMs() >= 20);
        assertEquals(kept.decisionId(), reward.getDecisionId());
        assertEquals(RewardOutcome.APPLIED, ((RewardResult) kept.report().orElseThrow()).outcome());
    }

    @Test
    @DisplayName("A try block that says nothing is taken as failed, because Java does not tell whether it threw.")
    void unsaidIsFailed() {
        assertThrows(
                IOException.class,
                () -> {
                    try (OpenDecision decision = client.decide("route", ARMS)) {
                        assertTrue(decision.recorded());
                        throw new IOException("the model is gone");
                    }
                });
        assertTrue(sidecar.rewards.get(0).getSignals().hasReward());
        assertEquals(0, sidecar.rewards.get(0).getSignals().getReward());
    }

    @Test
    @DisplayName("A try block with nothing to observe succeeds by saying so.")
    void succeedReports() {
        try (OpenDecision decision = client.decide("route", ARMS)) {
            decision.succeed();
        }
        assertEquals(Set.of("latency_ms"), names(sidecar.rewards.get(0)));
    }

    @Test
    @DisplayName("failed() outweighs what was observed before, and keeps its cost.")
    void failedWins() {
        try (OpenDecision decision = client.decide("route", ARMS)) {
            decision.observe(Signals.with().costUsd(0.01));
            decision.failed(new IOException("the model is gone"));
        }
        assertEquals(Set.of("reward", "cost_usd", "latency_ms"), names(sidecar.rewards.get(0)));
    }

    @Test
    @DisplayName("A try block on an interrupted thread that says nothing is released, and stays interrupted.")
    void interruptedTryIsReleased() {
        try (OpenDecision decision = client.decide("route", ARMS)) {
            assertTrue(decision.recorded());
            Thread.currentThread().interrupt();
        }
        assertTrue(Thread.interrupted());
        assertEquals(1, sidecar.releases.size());
        assertEquals(List.of(), sidecar.rewards);
    }

    @Test
    @DisplayName("Closing twice reports once.")
    void closesOnce() {
        OpenDecision decision = client.decide("route", ARMS);
        decision.succeed();
        decision.close();
        decision.close();
        assertEquals(1, sidecar.rewards.size());
    }

    @ParameterizedTest
    @EnumSource(OnError.class)
    @DisplayName("The act's exception comes out unchanged, and the rule says what is reported.")
    void rulesForErrors(OnError rule) {
        IOException error = new IOException("the model is gone");
        Throwable caught =
                assertThrows(
                        IOException.class,
                        () ->
                                client.decide(
                                        "route",
                                        ARMS,
                                        onError(rule),
                                        decision -> {
                                            decision.observe(Signals.with().costUsd(0.01));
                                            throw error;
                                        }));
        assertSame(error, caught);
        assertEquals(0, error.getSuppressed().length);
        assertEquals(rule == OnError.WORST ? 1 : 0, sidecar.rewards.size());
        assertEquals(rule == OnError.RELEASE ? 1 : 0, sidecar.releases.size());
    }

    @ParameterizedTest
    @EnumSource(OnError.class)
    @DisplayName("What comes from outside the act releases it, whatever the rule.")
    void outsideReleases(OnError rule) {
        for (Throwable outside : List.of(new InterruptedException(), new CancellationException(), new AssertionError())) {
            OpenDecision decision = client.decide("route", ARMS, onError(rule));
            decision.observe(Signals.with().quality(1));
            decision.failed(outside);
            decision.close();
        }
        assertEquals(3, sidecar.releases.size());
        assertEquals(List.of(), sidecar.rewards);
    }

    @Test
    @DisplayName("A block that is kept open reports in part, and the id completes it later.")
    void keptOpen() {
        String id =
                client.decide(
                        "route",
                        ARMS,
                        DecisionOptions.with(),
                        decision -> {
                            decision.observe(Signals.with().costUsd(0.01));
                            decision.keepOpen();
                            return decision.decisionId();
                        });
        RewardResult result = client.reward("route", id, Signals.with().quality(1));
        assertEquals(RewardOutcome.APPLIED, result.outcome());
        assertEquals(List.of(true, false), sidecar.rewards.stream().map(RewardRequest::getMoreToCome).toList());
    }

    @Test
    @DisplayName("learn times the act alone, and a score function that fails costs only its signals.")
    void learnTimesTheAct() {
        Learned<String> learned =
                client.learn(
                        "route",
                        ARMS,
                        DecisionOptions.with(),
                        arm -> arm + "!",
                        result -> {
                            throw new IllegalStateException("cannot grade " + result);
                        });
        assertEquals("large!", learned.result());
        assertEquals(Set.of("latency_ms"), names(sidecar.rewards.get(0)));
        assertTrue(learned.decision().report().isPresent());
    }

    @Test
    @DisplayName("A refusal is the baseline without a report; learn throws it and does not act.")
    void refused() {
        sidecar.answer =
                chosen ->
                        chosen.toBuilder()
                                .setArm("")
                                .setOutcome(RecommendOutcome.RECOMMEND_OUTCOME_REFUSED)
                                .build();
        try (OpenDecision decision = client.decide("route", ARMS)) {
            assertTrue(decision.refused());
            assertEquals("small", decision.arm());
            assertFalse(decision.recorded());
        }
        RefusedException refusal =
                assertThrows(
                        RefusedException.class,
                        () ->
                                client.learn(
                                        "route",
                                        ARMS,
                                        DecisionOptions.with(),
                                        arm -> {
                                            throw new AssertionError("it acted");
                                        },
                                        result -> Signals.with()));
        assertTrue(refusal.decision().refused());
        assertEquals(List.of(), sidecar.rewards);
        assertEquals(List.of(), sidecar.releases);
    }

    @Test
    @DisplayName("A number that is none is left out, and nothing is thrown.")
    void badData() {
        DecisionOptions options =
                DecisionOptions.with().context("tokens", Double.NaN).context("words", 3).maxLatencyMs(Double.NaN);
        try (OpenDecision decision = client.decide("route", ARMS, options.costCeilingUsd("large", -1))) {
            decision.observe(Signals.with().reward(1.2).quality(Double.NaN).signal("qualty", 1).safety(0.5));
        }
        assertEquals(Set.of("safety", "latency_ms"), names(sidecar.rewards.get(0)));
        assertEquals(Set.of("words"), sidecar.recommends.get(0).getContextMap().keySet());
        assertFalse(sidecar.recommends.get(0).hasMaxLatencyMs());
        assertFalse(sidecar.recommends.get(0).getCandidates(1).hasCostCeilingUsd());
    }

    @Test
    @DisplayName("A mistake of the program throws at once, and nothing is sent.")
    void mistakes() {
        List<List<String>> wrong = List.of(List.of(), List.of("a", "a"), List.of(""), List.of("a\nb"));
        for (List<String> arms : wrong) {
            assertThrows(IllegalArgumentException.class, () -> client.recommend("route", arms));
        }
        assertThrows(IllegalArgumentException.class, () -> client.recommend("", ARMS));
        assertThrows(NullPointerException.class, () -> client.recommend(null, ARMS));
        assertThrows(IllegalArgumentException.class, () -> DecisionOptions.with().decisionId("not an id"));
        assertEquals(List.of(), sidecar.recommends);
    }
}
