package io.github.learningsidecar.conformance;

import io.github.learningsidecar.Decision;
import io.github.learningsidecar.Learned;
import io.github.learningsidecar.LearningClient;
import io.github.learningsidecar.OpenDecision;
import io.github.learningsidecar.RefusedException;
import io.github.learningsidecar.RewardResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/** An ordinary app: how the client is used. */
final class App {
    private App() {}

    /** What an act of this app fails with. */
    private static final class ActFailed extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** Decides, acts and reports, by the form that sees exceptions. */
    static Seen block(LearningClient client, Asking asking, ActOrder order) {
        Seen seen = new Seen();
        Exception failure = order.raise().equals("cancel") ? new InterruptedException() : new ActFailed();
        try {
            client.decide(
                    asking.domain(),
                    asking.candidates(),
                    asking.options(),
                    decision -> {
                        seen.asked();
                        seen.decided(decision);
                        return decision.refused() ? decision : act(decision, order, seen, failure);
                    });
        } catch (ActFailed | InterruptedException raised) {
            seen.raised(raised == failure);
        } catch (RuntimeException mistake) {
            throw mistake;
        } catch (Exception unheardOf) {
            throw new IllegalStateException(unheardOf);
        }
        return seen;
    }

    private static Decision act(Decision decision, ActOrder order, Seen seen, Exception failure) throws Exception {
        seen.acted();
        order.sleep();
        for (Map<String, Double> signals : order.observe()) {
            decision.observe(ActOrder.signals(signals));
        }
        if (order.keepOpen()) {
            decision.keepOpen();
        }
        if (!order.raise().isEmpty()) {
            throw failure;
        }
        return decision;
    }

    /** Likewise in a {@code try}, which an app uses that reports success by what it observes. */
    static Seen tried(LearningClient client, Asking asking, ActOrder order) {
        Seen seen = new Seen();
        try (OpenDecision decision =
                client.decide(asking.domain(), asking.candidates(), asking.options())) {
            seen.asked();
            seen.decided(decision);
            if (!decision.refused()) {
                act(decision, order, seen, new ActFailed());
                decision.succeed();
            }
        } catch (RuntimeException mistake) {
            throw mistake;
        } catch (Exception unheardOf) {
            throw new IllegalStateException(unheardOf);
        }
        return seen;
    }

    /** Decides, acts and reports in one call. */
    static Seen learn(LearningClient client, Asking asking, ActOrder order) {
        if (order.keepOpen() || !order.raise().isEmpty()) {
            throw new Arguments.Unsupported("learn tells no decision when its act fails, and keeps none open");
        }
        Seen seen = new Seen();
        try {
            Learned<String> learned =
                    client.learn(
                            asking.domain(),
                            asking.candidates(),
                            asking.options(),
                            arm -> {
                                seen.asked();
                                seen.acted();
                                order.sleep();
                                return arm;
                            },
                            result -> order.score());
            seen.decided(learned.decision());
        } catch (RefusedException refused) {
            seen.asked();
            seen.decided(refused.decision());
        } catch (InterruptedException unheardOf) {
            throw new IllegalStateException(unheardOf);
        }
        return seen;
    }

    /** So many blocks at once, each in a thread. */
    static List<Seen> together(LearningClient client, int times, Asking asking, ActOrder order) {
        ExecutorService threads = Executors.newFixedThreadPool(times);
        try {
            List<Future<Seen>> blocks = new ArrayList<>();
            for (int i = 0; i < times; i++) {
                // Every second one in the other form, which is to come to the same.
                boolean seesExceptions = i % 2 == 0 || !order.raise().isEmpty();
                Supplier<Seen> asked =
                        () -> seesExceptions ? block(client, asking, order) : tried(client, asking, order);
                blocks.add(threads.submit(() -> asking.inTrace(asked)));
            }
            List<Seen> all = new ArrayList<>();
            for (Future<Seen> one : blocks) {
                all.add(one.get());
            }
            return all;
        } catch (ExecutionException | InterruptedException unheardOf) {
            throw new IllegalStateException(unheardOf);
        } finally {
            threads.shutdown();
        }
    }

    /** Asks without a block, so often, and tells the last. */
    static Seen recommend(LearningClient client, Asking asking, int times) {
        Seen seen = new Seen();
        for (int i = 0; i < times; i++) {
            seen = new Seen();
            seen.decided(client.recommend(asking.domain(), asking.candidates(), asking.options()));
            seen.asked();
        }
        return seen;
    }

    static RewardResult reward(
            LearningClient client, String domain, String decisionId, Map<String, Double> signals, boolean more) {
        return more
                ? client.rewardInPart(domain, decisionId, ActOrder.signals(signals))
                : client.reward(domain, decisionId, ActOrder.signals(signals));
    }
}
