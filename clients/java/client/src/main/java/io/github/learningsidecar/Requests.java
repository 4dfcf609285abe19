package io.github.learningsidecar;

import io.github.learningsidecar.v1.Candidate;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.RewardRequest;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Builds the messages of one workspace, and draws the line between a mistake in the program and bad data.
 *
 * <p>Names are the program's: a wrong one throws at once, before anything is sent. Numbers are the data's: one that
 * cannot be sent is logged and left out, because a NaN in a feature must not take the app down.
 */
final class Requests {
    private static final int FEATURES_MAX = 64;
    private static final double FEATURE_MAX = 1e12;
    private static final double LATENCY_MS_MAX = 86_400_000;
    private static final double REWARD_DEADLINE_MS_MAX = 604_800_000;
    // What is sent for a limit of 0 or less: the time is already up, so only the fastest arm will do.
    private static final double NO_TIME_LEFT_MS = 0.001;

    private final String tenant;
    private final String workspace;
    private final SparseLog log;

    Requests(String tenant, String workspace, SparseLog log) {
        this.tenant = Names.name("tenant", tenant);
        this.workspace = Names.name("workspace", workspace);
        this.log = log;
    }

    /** Asks for one decision. The id is always made here: a request that is sent twice is then answered once. */
    RecommendRequest recommend(String domain, List<String> candidates, DecisionOptions options) {
        RecommendRequest.Builder request =
                RecommendRequest.newBuilder()
                        .setTenant(tenant)
                        .setWorkspace(workspace)
                        .setDomain(Names.name("domain", domain))
                        .setDecisionId(options.decisionId().orElseGet(() -> UUID.randomUUID().toString()));
        for (String arm : Names.arms(candidates)) {
            request.addCandidates(candidate(arm, options.costCeilingsUsd().get(arm)));
        }
        addFeatures(request, options.context());
        options.maxLatencyMs()
                .ifPresent(
                        ms -> {
                            if (usable("the limit of latency", ms, -Double.MAX_VALUE, Double.MAX_VALUE)) {
                                request.setMaxLatencyMs(Math.min(Math.max(ms, NO_TIME_LEFT_MS), LATENCY_MS_MAX));
                            }
                        });
        options.rewardDeadlineMs()
                .ifPresent(
                        ms -> {
                            if (usable("the deadline of the reward", ms, 1, REWARD_DEADLINE_MS_MAX)) {
                                request.setRewardDeadlineMs((long) ms);
                            }
                        });
        return request.build();
    }

    /** Reports usable signals, as {@link Observations#values} gives them. */
    RewardRequest reward(String domain, String decisionId, Map<String, Double> signals, boolean moreToCome) {
        io.github.learningsidecar.v1.Signals.Builder message = io.github.learningsidecar.v1.Signals.newBuilder();
        signals.forEach((name, value) -> message.setField(message.getDescriptorForType().findFieldByName(name), value));
        return RewardRequest.newBuilder()
                .setTenant(tenant)
                .setWorkspace(workspace)
                .setDomain(Names.name("domain", domain))
                .setDecisionId(Names.identity(decisionId))
                .setSignals(message)
                .setMoreToCome(moreToCome)
                .build();
    }

    /** Declares that the act never took place. */
    ReleaseRequest release(String domain, String decisionId) {
        return ReleaseRequest.newBuilder()
                .setTenant(tenant)
                .setWorkspace(workspace)
                .setDomain(Names.name("domain", domain))
                .setDecisionId(Names.identity(decisionId))
                .build();
    }

    private Candidate candidate(String arm, Number ceilingUsd) {
        Candidate.Builder candidate = Candidate.newBuilder().setArm(arm);
        if (ceilingUsd != null && usable("the ceiling of " + arm, ceilingUsd.doubleValue(), 0, Numbers.COST_USD_MAX)) {
            candidate.setCostCeilingUsd(ceilingUsd.doubleValue());
        }
        return candidate.build();
    }

    private void addFeatures(RecommendRequest.Builder request, Map<String, Number> context) {
        for (Map.Entry<String, Number> feature : context.entrySet()) {
            if (request.getContextCount() == FEATURES_MAX) {
                log.note(
                        "feature",
                        "a context has " + context.size() + " features; only " + FEATURES_MAX + " were sent");
                return;
            }
            String name = feature.getKey();
            Number value = feature.getValue();
            if (name == null || !Names.isName(name)) {
                log.note("feature", "left out the feature '" + name + "': that is no name");
            } else if (value != null
                    && usable(name, value.doubleValue(), -FEATURE_MAX, FEATURE_MAX)) {
                request.putContext(name, value.doubleValue());
            }
        }
    }

    private boolean usable(String what, double value, double low, double high) {
        boolean usable = Numbers.usable(value, low, high);
        if (!usable) {
            log.note("number", "left out " + what + "=" + value + ": it is not finite or out of range");
        }
        return usable;
    }
}
