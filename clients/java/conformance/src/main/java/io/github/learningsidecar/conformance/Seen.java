package io.github.learningsidecar.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import io.github.learningsidecar.Decision;
import io.github.learningsidecar.ReleaseResult;
import io.github.learningsidecar.Report;
import io.github.learningsidecar.RewardResult;
import io.github.learningsidecar.ShieldAction;
import java.util.Locale;

/** What the app saw of one decision. */
final class Seen {
    private static final double NANOS_PER_MS = 1e6;

    private final long begun = System.nanoTime();
    private double askMs;
    private Decision decision;
    private boolean acted;
    private boolean raised;

    void asked() {
        askMs = (System.nanoTime() - begun) / NANOS_PER_MS;
    }

    void decided(Decision made) {
        decision = made;
    }

    void acted() {
        acted = true;
    }

    void raised(boolean unchanged) {
        raised = unchanged;
    }

    JsonObject told() {
        JsonObject told = new JsonObject();
        told.addProperty("domain", decision.domain());
        told.addProperty("decision_id", decision.decisionId());
        told.addProperty("arm", decision.arm());
        told.addProperty("baseline", decision.baseline());
        told.addProperty("source", word(decision.source()));
        told.addProperty("mode", word(decision.mode()));
        told.addProperty("propensity", decision.propensity());
        told.addProperty("proposal", decision.proposal());
        told.addProperty("refused", decision.refused());
        told.addProperty("degraded", decision.degraded());
        told.addProperty("recorded", decision.recorded());
        JsonArray shields = new JsonArray();
        decision.shields().forEach(action -> shields.add(told(action)));
        told.add("shields", shields);
        told.addProperty("expires_at_unix_ms", decision.expiresAtUnixMs());
        told.addProperty("ask_ms", askMs);
        told.addProperty("acted", acted);
        told.addProperty("raised", raised);
        told.add("report", decision.report().map(Seen::told).orElse(JsonNull.INSTANCE));
        return told;
    }

    static JsonObject told(RewardResult result) {
        JsonObject told = new JsonObject();
        told.addProperty("outcome", word(result.outcome()));
        told.addProperty("reward", result.reward().isPresent() ? result.reward().getAsDouble() : null);
        told.addProperty("arm", result.arm());
        JsonArray missing = new JsonArray();
        result.missing().forEach(missing::add);
        told.add("missing", missing);
        return told;
    }

    static JsonObject told(ReleaseResult result) {
        JsonObject told = new JsonObject();
        told.addProperty("outcome", word(result.outcome()));
        return told;
    }

    private static JsonElement told(Report report) {
        return report instanceof RewardResult reward ? told(reward) : told((ReleaseResult) report);
    }

    private static JsonObject told(ShieldAction action) {
        JsonObject told = new JsonObject();
        told.addProperty("shield", word(action.shield()));
        told.addProperty("effect", word(action.effect()));
        told.addProperty("arm", action.arm());
        return told;
    }

    private static String word(Enum<?> word) {
        return word.name().toLowerCase(Locale.ROOT);
    }
}
