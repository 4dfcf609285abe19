package io.github.learningsidecar.testing;

import io.github.learningsidecar.Sidecar;
import io.github.learningsidecar.v1.Candidate;
import io.github.learningsidecar.v1.Mode;
import io.github.learningsidecar.v1.RecommendOutcome;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseOutcome;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardOutcome;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.github.learningsidecar.v1.Source;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/** Answers as a sidecar does that never forgets and never learns. */
final class InMemorySidecar implements Sidecar {
    private static final long EXPIRES_AT_UNIX_MS = 4_102_444_800_000L; // the year 2100: a fake does not forget

    private final Chooser chooser;
    private final Map<String, String> arms = new HashMap<>();
    private final Set<String> closed = new HashSet<>();
    private final List<FakeReward> rewards = new ArrayList<>();
    private final List<String> released = new ArrayList<>();
    private boolean away;

    InMemorySidecar(Chooser chooser) {
        this.chooser = Objects.requireNonNull(chooser, "the chooser is null");
    }

    @Override
    public synchronized RecommendResponse recommend(RecommendRequest request) {
        answerable();
        String id = request.getDecisionId();
        List<String> candidates = request.getCandidatesList().stream().map(Candidate::getArm).toList();
        boolean replay = arms.containsKey(id);
        Optional<String> chosen =
                replay
                        ? Optional.of(arms.get(id))
                        : chooser.choose(request.getDomain(), candidates, request.getContextMap());
        RecommendResponse.Builder answer = RecommendResponse.newBuilder().setBaseline(candidates.get(0));
        if (chosen.isEmpty()) {
            return answer.setOutcome(RecommendOutcome.RECOMMEND_OUTCOME_REFUSED).build();
        }
        String arm = chosen.get();
        if (!candidates.contains(arm)) {
            throw new IllegalArgumentException(
                    "the chooser gave '" + arm + "', which is not one of the candidates " + candidates);
        }
        arms.put(id, arm);
        return answer.setOutcome(RecommendOutcome.RECOMMEND_OUTCOME_CHOSEN)
                .setArm(arm)
                .setDecisionId(id)
                .setPropensity(1)
                .setProposal(arm)
                .setMode(Mode.MODE_UNGATED)
                .setSource(replay ? Source.SOURCE_REPLAY : Source.SOURCE_LEARNED)
                .setExpiresAtUnixMs(EXPIRES_AT_UNIX_MS)
                .setPolicy("fake")
                .build();
    }

    @Override
    public synchronized RewardResponse reward(RewardRequest request) {
        answerable();
        String id = request.getDecisionId();
        Map<String, Double> signals = new LinkedHashMap<>();
        request.getSignals().getAllFields().forEach((field, value) -> signals.put(field.getName(), (Double) value));
        String arm = arms.getOrDefault(id, "");
        rewards.add(new FakeReward(request.getDomain(), id, arm, Map.copyOf(signals), request.getMoreToCome()));
        RewardResponse.Builder answer = RewardResponse.newBuilder();
        if (arm.isEmpty()) {
            return answer.setOutcome(RewardOutcome.REWARD_OUTCOME_UNKNOWN).build();
        }
        if (closed.contains(id)) {
            return answer.setOutcome(RewardOutcome.REWARD_OUTCOME_DUPLICATE).build();
        }
        if (request.getMoreToCome()) {
            return answer.setOutcome(RewardOutcome.REWARD_OUTCOME_COLLECTED).build();
        }
        closed.add(id);
        if (request.getSignals().hasReward()) {
            answer.setReward(request.getSignals().getReward());
        }
        return answer.setOutcome(RewardOutcome.REWARD_OUTCOME_APPLIED).setArm(arm).build();
    }

    @Override
    public synchronized ReleaseResponse release(ReleaseRequest request) {
        answerable();
        String id = request.getDecisionId();
        ReleaseResponse.Builder answer = ReleaseResponse.newBuilder();
        if (!arms.containsKey(id)) {
            return answer.setOutcome(ReleaseOutcome.RELEASE_OUTCOME_UNKNOWN).build();
        }
        if (!closed.add(id)) {
            return answer.setOutcome(ReleaseOutcome.RELEASE_OUTCOME_ALREADY_CLOSED).build();
        }
        released.add(id);
        return answer.setOutcome(ReleaseOutcome.RELEASE_OUTCOME_RELEASED).build();
    }

    @Override
    public void close() {
        away(true);
    }

    synchronized void away(boolean missing) {
        away = missing;
    }

    synchronized List<FakeReward> rewards() {
        return List.copyOf(rewards);
    }

    synchronized List<String> released() {
        return List.copyOf(released);
    }

    private void answerable() {
        if (away) {
            throw Status.UNAVAILABLE.withDescription("the fake is away").asRuntimeException();
        }
    }
}
