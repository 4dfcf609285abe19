package io.github.learningsidecar;

import io.github.learningsidecar.v1.RecommendOutcome;
import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.RecommendResponse;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.ReleaseResponse;
import io.github.learningsidecar.v1.RewardRequest;
import io.github.learningsidecar.v1.RewardResponse;
import io.grpc.Status;
import java.util.List;
import java.util.OptionalDouble;

/** Interprets what came back: an answer, or the lack of one. Nothing here throws, and nothing here does I/O. */
final class Answers {
    private final SparseLog log;

    Answers(SparseLog log) {
        this.log = log;
    }

    /** Reads the answer to Recommend; one that cannot be used is the first candidate. */
    Decision.Answer decision(RecommendRequest request, RecommendResponse reply) {
        List<String> candidates = request.getCandidatesList().stream().map(one -> one.getArm()).toList();
        boolean refused = reply.getOutcome() == RecommendOutcome.RECOMMEND_OUTCOME_REFUSED;
        if (!refused && !candidates.contains(reply.getArm())) {
            return fallback(
                    request, Status.INTERNAL.withDescription("'" + reply.getArm() + "' is not one of the candidates"));
        }
        return new Decision.Answer(
                request.getDomain(),
                request.getDecisionId(),
                refused ? candidates.get(0) : reply.getArm(),
                candidates.get(0),
                word(Source.class, "SOURCE_", reply.getSource()),
                reply.getPropensity(),
                word(Mode.class, "MODE_", reply.getMode()),
                reply.getProposal(),
                reply.getShieldsList().stream().map(Answers::shieldAction).toList(),
                refused,
                reply.getDegraded(),
                reply.getPolicy(),
                reply.getStatisticsVersion(),
                reply.getReservedUsd(),
                reply.getExpiresAtUnixMs(),
                false);
    }

    /** Makes do without an answer. */
    Decision.Answer fallback(RecommendRequest request, Status why) {
        String baseline = request.getCandidates(0).getArm();
        log.note(
                "fallback",
                "no decision for " + request.getDomain() + ", so the first candidate " + baseline + " is used: "
                        + reason(why));
        // After these two the sidecar may have done what was asked, though the answer did not come through.
        boolean answerMissed =
                why.getCode() == Status.Code.DEADLINE_EXCEEDED || why.getCode() == Status.Code.CANCELLED;
        return new Decision.Answer(
                request.getDomain(),
                request.getDecisionId(),
                baseline,
                baseline,
                Source.FALLBACK,
                1,
                Mode.UNSPECIFIED,
                "",
                List.of(),
                false,
                true,
                "",
                0,
                0,
                0,
                answerMissed);
    }

    /** Reads the answer to Reward; says in the log when the reward does not count. */
    RewardResult reward(RewardRequest request, RewardResponse reply) {
        RewardOutcome outcome = word(RewardOutcome.class, "REWARD_OUTCOME_", reply.getOutcome());
        if (outcome == RewardOutcome.LATE || outcome == RewardOutcome.UNKNOWN) {
            log.note(
                    "uncounted",
                    "the reward of decision " + request.getDecisionId() + " (" + request.getDomain() + ") came "
                            + outcome);
        }
        return new RewardResult(
                outcome,
                reply.hasReward() ? OptionalDouble.of(reply.getReward()) : OptionalDouble.empty(),
                reply.getArm(),
                reply.getBreakdownList().stream().map(Answers::contribution).toList(),
                List.copyOf(reply.getMissingList()),
                "");
    }

    /** Says that a reward was not delivered. */
    RewardResult unsent(RewardRequest request, Status why) {
        log.note(
                "unsent",
                "the reward of decision " + request.getDecisionId() + " (" + request.getDomain() + ") is lost: "
                        + reason(why));
        return RewardResult.unsent(reason(why));
    }

    /** Reads the answer to Release. */
    ReleaseResult release(ReleaseResponse reply) {
        return new ReleaseResult(word(ReleaseOutcome.class, "RELEASE_OUTCOME_", reply.getOutcome()), "");
    }

    /** Says that a release was not delivered. */
    ReleaseResult unsent(ReleaseRequest request, Status why) {
        log.note(
                "unsent",
                "decision " + request.getDecisionId() + " (" + request.getDomain() + ") was not released: "
                        + reason(why));
        return ReleaseResult.unsent(reason(why));
    }

    private static ShieldAction shieldAction(io.github.learningsidecar.v1.ShieldAction action) {
        return new ShieldAction(
                word(Shield.class, "SHIELD_", action.getShield()),
                word(ShieldEffect.class, "SHIELD_EFFECT_", action.getEffect()),
                action.getArm());
    }

    private static Contribution contribution(io.github.learningsidecar.v1.Contribution part) {
        return new Contribution(part.getSignal(), part.getValue(), part.getNormalized(), part.getWeight());
    }

    /** Translates a word of the API; one that is not known here is the last of its enum, UNSPECIFIED. */
    private static <T extends Enum<T>> T word(Class<T> words, String prefix, Enum<?> wire) {
        T[] known = words.getEnumConstants();
        for (T word : known) {
            if (wire.name().equals(prefix + word.name())) {
                return word;
            }
        }
        return known[known.length - 1];
    }

    private static String reason(Status why) {
        return why.getDescription() == null ? why.getCode().name() : why.getCode() + ": " + why.getDescription();
    }
}
