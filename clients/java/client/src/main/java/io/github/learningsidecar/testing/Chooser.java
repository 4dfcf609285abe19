package io.github.learningsidecar.testing;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Says what a fake answers. */
@FunctionalInterface
public interface Chooser {
    /**
     * Chooses an arm.
     *
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @param context the features of the request
     * @return one of the candidates, or empty to refuse
     */
    Optional<String> choose(String domain, List<String> candidates, Map<String, Double> context);

    /**
     * Always chooses the first candidate.
     *
     * @return the chooser
     */
    static Chooser first() {
        return (domain, candidates, context) -> Optional.of(candidates.get(0));
    }

    /**
     * Always chooses the last candidate.
     *
     * @return the chooser
     */
    static Chooser last() {
        return (domain, candidates, context) -> Optional.of(candidates.get(candidates.size() - 1));
    }

    /**
     * Always refuses: no candidate is affordable.
     *
     * @return the chooser
     */
    static Chooser refusing() {
        return (domain, candidates, context) -> Optional.empty();
    }
}
