package io.github.learningsidecar.conformance;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.github.learningsidecar.LearningClient;
import io.github.learningsidecar.LearningClientBuilder;
import io.github.learningsidecar.testing.Chooser;
import io.github.learningsidecar.testing.FakeLearning;
import io.github.learningsidecar.testing.FakeReward;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Carries out orders with the clients that were opened. */
final class Orders implements AutoCloseable {
    private static final double NANOS_PER_MS = 1e6;

    private final Map<String, LearningClient> clients = new HashMap<>();

    JsonObject perform(Arguments order) {
        String op = order.text("op");
        String name = order.text("client");
        return switch (op) {
            case "open" -> open(name, order);
            case "fake" -> fake(name, order);
            case "fake_away" -> fakeAway(name, order);
            case "fake_rewards" -> fakeRewards(name, order);
            case "decide" -> decide(name, order);
            case "learn" -> learn(name, order);
            case "together" -> together(name, order);
            case "recommend" -> recommend(name, order);
            case "reward" -> reward(name, order);
            case "release" -> release(name, order);
            case "close" -> close(name, order);
            default -> throw new Arguments.Unsupported(op);
        };
    }

    private JsonObject open(String name, Arguments order) {
        LearningClientBuilder builder = LearningClient.builder();
        order.optionalText("address").ifPresent(builder::address);
        order.number("timeout_ms").ifPresent(ms -> builder.timeout(Duration.ofNanos((long) (ms * NANOS_PER_MS))));
        order.optionalText("tenant").ifPresent(builder::tenant);
        order.optionalText("workspace").ifPresent(builder::workspace);
        order.optionalText("token").ifPresent(builder::token);
        order.textsByName("headers").forEach(builder::header);
        order.inner("tls").ifPresent(tls -> trust(builder, tls));
        order.done();
        keep(name, builder.build());
        return new JsonObject();
    }

    private static void trust(LearningClientBuilder builder, Arguments tls) {
        Path authority = Path.of(tls.text("ca"));
        tls.optionalText("cert")
                .ifPresentOrElse(
                        certificate ->
                                builder.mutualTls(authority, Path.of(certificate), Path.of(tls.text("key"))),
                        () -> builder.tls(authority));
        tls.done();
    }

    private JsonObject fake(String name, Arguments order) {
        String choose = order.optionalText("choose").orElse("first");
        order.done();
        keep(
                name,
                new FakeLearning(
                        switch (choose) {
                            case "first" -> Chooser.first();
                            case "last" -> Chooser.last();
                            default -> throw new Arguments.Unsupported("choose: " + choose);
                        }));
        return new JsonObject();
    }

    private JsonObject fakeAway(String name, Arguments order) {
        boolean away = order.flag("away");
        order.done();
        fake(name).away(away);
        return new JsonObject();
    }

    private JsonObject fakeRewards(String name, Arguments order) {
        order.done();
        JsonArray rewards = new JsonArray();
        for (FakeReward reward : fake(name).rewards()) {
            JsonObject one = new JsonObject();
            one.addProperty("domain", reward.domain());
            one.addProperty("arm", reward.arm());
            one.add("signals", new Gson().toJsonTree(reward.signals()));
            rewards.add(one);
        }
        JsonObject told = new JsonObject();
        told.add("rewards", rewards);
        return told;
    }

    private JsonObject decide(String name, Arguments order) {
        Asking asking = Asking.ofBlock(order);
        ActOrder act = ActOrder.of(order);
        order.done();
        return asking.inTrace(() -> App.block(client(name), asking, act)).told();
    }

    private JsonObject learn(String name, Arguments order) {
        Asking asking = Asking.ofBlock(order);
        ActOrder act = ActOrder.of(order);
        order.done();
        return asking.inTrace(() -> App.learn(client(name), asking, act)).told();
    }

    private JsonObject together(String name, Arguments order) {
        int times = times(order);
        Asking asking = Asking.ofBlock(order);
        ActOrder act = ActOrder.of(order);
        order.done();
        JsonArray decisions = new JsonArray();
        List<Seen> blocks = App.together(client(name), times, asking, act);
        blocks.forEach(seen -> decisions.add(seen.told()));
        JsonObject told = new JsonObject();
        told.add("decisions", decisions);
        return told;
    }

    private JsonObject recommend(String name, Arguments order) {
        int times = times(order);
        Asking asking = Asking.of(order);
        order.done();
        return asking.inTrace(() -> App.recommend(client(name), asking, times)).told();
    }

    private JsonObject reward(String name, Arguments order) {
        String domain = order.text("domain");
        String decisionId = order.text("decision_id");
        Map<String, Double> signals = order.numbers("signals");
        boolean more = order.flag("more_to_come");
        order.done();
        return Seen.told(App.reward(client(name), domain, decisionId, signals, more));
    }

    private JsonObject release(String name, Arguments order) {
        String domain = order.text("domain");
        String decisionId = order.text("decision_id");
        order.done();
        return Seen.told(client(name).release(domain, decisionId));
    }

    private JsonObject close(String name, Arguments order) {
        order.done();
        client(name).close();
        return new JsonObject();
    }

    /** Closes every client. */
    @Override
    public void close() {
        clients.values().forEach(LearningClient::close);
    }

    private void keep(String name, LearningClient client) {
        LearningClient before = clients.put(name, client);
        if (before != null) {
            before.close();
        }
    }

    private LearningClient client(String name) {
        LearningClient client = clients.get(name);
        if (client == null) {
            throw new Arguments.Unsupported("a client that was not opened: " + name);
        }
        return client;
    }

    private FakeLearning fake(String name) {
        if (client(name) instanceof FakeLearning fake) {
            return fake;
        }
        throw new Arguments.Unsupported("a fake's order to a client: " + name);
    }

    private static int times(Arguments order) {
        return order.number("times").orElse(1.0).intValue();
    }
}
