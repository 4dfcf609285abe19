package example;

import io.github.learningsidecar.Decision;
import io.github.learningsidecar.DecisionOptions;
import io.github.learningsidecar.LearningClient;
import io.github.learningsidecar.Signals;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** An app that learns which of two models to use, and prints how often it used each. */
public final class Example {
    private static final int QUESTIONS = 200;
    private static final Map<String, Model> MODELS =
            Map.of("small", new Model(0.6, 0.001), "large", new Model(0.9, 0.004));

    /** Stands for a model: how often it answers well, and what an answer costs. */
    private record Model(double skill, double costUsd) {
        double answer(Random luck) {
            return luck.nextDouble() < skill ? 1 : 0;
        }
    }

    private Example() {}

    /**
     * Asks two hundred questions.
     *
     * @param arguments none
     */
    public static void main(String[] arguments) {
        Random luck = new Random();
        Map<String, Integer> used = new TreeMap<>();
        Map<String, Integer> sources = new TreeMap<>();
        try (LearningClient client = LearningClient.builder().build()) {
            for (int question = 0; question < QUESTIONS; question++) {
                Decision decision = ask(client, luck);
                used.merge(decision.arm(), 1, Integer::sum);
                sources.merge(decision.source().toString(), 1, Integer::sum);
            }
        }
        System.out.println("models used: " + used + ", chosen by: " + sources);
    }

    private static Decision ask(LearningClient client, Random luck) {
        return client.decide(
                "route",
                List.of("small", "large"),
                DecisionOptions.with().costCeilingUsd("large", 0.01),
                decision -> {
                    Model model = MODELS.get(decision.arm());
                    double quality = model.answer(luck);
                    decision.observe(Signals.with().quality(quality).costUsd(model.costUsd()));
                    return decision;
                });
    }
}
