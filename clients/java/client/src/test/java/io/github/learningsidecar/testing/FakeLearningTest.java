package io.github.learningsidecar.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.learningsidecar.DecisionOptions;
import io.github.learningsidecar.LearningClient;
import io.github.learningsidecar.OpenDecision;
import io.github.learningsidecar.RewardOutcome;
import io.github.learningsidecar.Signals;
import io.github.learningsidecar.Source;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The fake is the client itself, with a sidecar that lives in memory. */
class FakeLearningTest {
    private static final List<String> ARMS = List.of("small", "large");

    private static void handle(LearningClient client) {
        try (OpenDecision decision = client.decide("route", ARMS)) {
            decision.observe(Signals.with().quality(1));
        }
    }

    @Test
    @DisplayName("It answers what its chooser says and remembers every reward.")
    void remembers() {
        FakeLearning fake = new FakeLearning(Chooser.last());
        handle(fake);
        FakeReward reward = fake.rewards().get(0);
        assertEquals("large", reward.arm());
        assertEquals(1.0, reward.signals().get("quality"));
        assertEquals(
                RewardOutcome.DUPLICATE, fake.reward("route", reward.decisionId(), Signals.with().quality(1)).outcome());
    }

    @Test
    @DisplayName("Away, the app falls back; back, it does not.")
    void away() {
        FakeLearning fake = new FakeLearning();
        fake.away(true);
        assertEquals(Source.FALLBACK, fake.recommend("route", ARMS).source());
        fake.away(false);
        assertEquals(Source.LEARNED, fake.recommend("route", ARMS).source());
        assertTrue(fake.rewards().isEmpty());
    }

    @Test
    @DisplayName("The same id is a replay, and a release is remembered.")
    void replaysAndReleases() {
        FakeLearning fake = new FakeLearning();
        DecisionOptions named = DecisionOptions.with().decisionId("request-17");
        fake.recommend("route", ARMS, named);
        assertEquals(Source.REPLAY, fake.recommend("route", ARMS, named).source());
        fake.release("route", "request-17");
        assertEquals(List.of("request-17"), fake.released());
    }

    @Test
    @DisplayName("It can refuse, and a chooser that names no candidate is a mistake of the test.")
    void choosers() {
        assertTrue(new FakeLearning(Chooser.refusing()).recommend("route", ARMS).refused());
        FakeLearning astray = new FakeLearning((domain, candidates, context) -> Optional.of("unheard-of"));
        assertThrows(IllegalArgumentException.class, () -> astray.recommend("route", ARMS));
    }
}
