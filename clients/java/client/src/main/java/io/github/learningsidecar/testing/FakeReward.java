package io.github.learningsidecar.testing;

import java.util.Map;

/**
 * One reward that a fake has received.
 *
 * @param domain the kind of decision
 * @param decisionId the decision that is rewarded
 * @param arm the arm that was executed; empty when the fake does not know the decision
 * @param signals what was reported by name, {@code latency_ms} included
 * @param moreToCome whether it was a partial report
 */
public record FakeReward(
        String domain, String decisionId, String arm, Map<String, Double> signals, boolean moreToCome) {}
