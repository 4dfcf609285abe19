package io.github.learningsidecar;

import io.github.learningsidecar.v1.RecommendRequest;
import io.github.learningsidecar.v1.ReleaseRequest;
import io.github.learningsidecar.v1.RewardRequest;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Asks the sidecar which arm to use and reports what happened. Safe to share between threads: make one and keep it.
 *
 * <p>The sidecar is never in the app's way: each call to it takes at most the client's time-out. When it is missing,
 * late or failing, the first candidate is used and nothing is thrown. Only mistakes in the program throw: {@link
 * IllegalArgumentException} and {@link NullPointerException}.
 *
 * <pre>{@code
 * LearningClient client = LearningClient.builder().build();
 * try (OpenDecision decision = client.decide("route", List.of("small", "large"))) {
 *     Answer answer = askModel(decision.arm());
 *     decision.observe(Signals.with().quality(grade(answer)).costUsd(answer.costUsd()));
 * }
 * }</pre>
 */
public class LearningClient implements AutoCloseable {
    private static final String NOT_RECORDED = "nothing was recorded for this decision";

    private final SparseLog log = new SparseLog(System::nanoTime);
    private final Answers answers = new Answers(log);
    private final Requests requests;
    private final Sidecar sidecar;

    /**
     * Makes a client of a sidecar that is reached in a way of its own, as fakes are. Apps use {@link #builder}.
     *
     * @param tenant who asks
     * @param workspace which deployment
     * @param sidecar answers the calls; closed with the client
     */
    protected LearningClient(String tenant, String workspace, Sidecar sidecar) {
        this.requests = new Requests(tenant, workspace, log);
        this.sidecar = Objects.requireNonNull(sidecar, "the sidecar is null");
    }

    /**
     * Configures a client.
     *
     * @return a builder with the defaults: the sidecar that {@code LEARNING_ADDRESS} names, 50 ms a call
     */
    public static LearningClientBuilder builder() {
        return new LearningClientBuilder();
    }

    /**
     * Asks for a decision that times its act and reports when it is closed, see {@link OpenDecision}.
     *
     * @param domain the kind of decision, such as {@code route} or {@code prompt}
     * @param candidates 1 to 1,000 arms, each once; the first is the baseline: what the app would do without learning
     * @return the decision, to be held by a {@code try}
     * @throws IllegalArgumentException there are no candidates, one is there twice, or a name is not allowed
     */
    public OpenDecision decide(String domain, List<String> candidates) {
        return decide(domain, candidates, DecisionOptions.with());
    }

    /**
     * Likewise, with options.
     *
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @param options what else is to be said
     * @return the decision, to be held by a {@code try}
     * @throws IllegalArgumentException as without options
     */
    public OpenDecision decide(String domain, List<String> candidates, DecisionOptions options) {
        Decision.Answer answer = ask(domain, candidates, options);
        return new OpenDecision(answer, new Observations(log, System::nanoTime), this, options.onError());
    }

    /**
     * Asks for a decision, executes the act, and reports. The act is timed as a whole; it should look at {@link
     * Decision#refused}. What it throws comes out unchanged, and {@link DecisionOptions#onError} says what is reported.
     *
     * @param <T> what the act returns
     * @param <X> what the act throws
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @param options what else is to be said
     * @param act executes {@link Decision#arm} and observes
     * @return what the act returned
     * @throws X whatever the act throws
     * @throws IllegalArgumentException as without an act
     */
    public <T, X extends Exception> T decide(
            String domain, List<String> candidates, DecisionOptions options, Act<? super Decision, ? extends T, X> act)
            throws X {
        Objects.requireNonNull(act, "the act is null");
        OpenDecision decision = decide(domain, candidates, options);
        try {
            T result = act.execute(decision);
            decision.succeed();
            return result;
        } catch (Throwable error) {
            decision.failed(error);
            throw error;
        } finally {
            decision.close();
        }
    }

    /**
     * Asks, executes {@code act(arm)}, scores its result and reports. Only the act is timed, not the scoring.
     *
     * @param <T> what the act returns
     * @param <X> what the act throws
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @param options what else is to be said
     * @param act executes the arm
     * @param score turns the result into signals; should it throw an exception, it is logged, the signals are missing,
     *     and the result is returned all the same: the act has succeeded and is paid for
     * @return the result and its decision
     * @throws X whatever the act throws
     * @throws RefusedException no candidate is affordable; the act was not called
     * @throws IllegalArgumentException as {@link #decide(String, List)}
     */
    public <T, X extends Exception> Learned<T> learn(
            String domain,
            List<String> candidates,
            DecisionOptions options,
            Act<? super String, ? extends T, X> act,
            Function<? super T, Signals> score)
            throws X {
        Objects.requireNonNull(act, "the act is null");
        Objects.requireNonNull(score, "the score function is null");
        return decide(
                domain,
                candidates,
                options,
                decision -> {
                    if (decision.refused()) {
                        throw new RefusedException(decision);
                    }
                    T result = act.execute(decision.arm());
                    decision.observations().stop();
                    try {
                        decision.observe(score.apply(result));
                    } catch (RuntimeException error) {
                        log.note(
                                "score",
                                "could not score an act of " + domain + ", so its signals are missing",
                                error);
                    }
                    return new Learned<>(result, decision);
                });
    }

    /**
     * Asks for a decision without a block: report with {@code reward}, or give it back with {@code release}.
     *
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @return the decision
     * @throws IllegalArgumentException as {@link #decide(String, List)}
     */
    public Decision recommend(String domain, List<String> candidates) {
        return recommend(domain, candidates, DecisionOptions.with());
    }

    /**
     * Likewise, with options.
     *
     * @param domain the kind of decision
     * @param candidates the arms, the baseline first
     * @param options what else is to be said
     * @return the decision
     * @throws IllegalArgumentException as {@link #decide(String, List)}
     */
    public Decision recommend(String domain, List<String> candidates, DecisionOptions options) {
        return new Decision(ask(domain, candidates, options), new Observations(log, System::nanoTime));
    }

    /**
     * Reports what the decision has observed. Idempotent: the first final report counts, later ones are answered {@link
     * RewardOutcome#DUPLICATE}.
     *
     * @param decision which one
     * @return what became of it; unsent when there is nothing to reward or the sidecar did not answer in time
     */
    public RewardResult reward(Decision decision) {
        return decision.recorded()
                ? send(decision.domain(), decision.decisionId(), decision.observations().values(), false)
                : RewardResult.unsent(NOT_RECORDED);
    }

    /**
     * Reports what happened, finally. Idempotent, as {@link #reward(Decision)}.
     *
     * @param domain the kind of decision
     * @param decisionId which one
     * @param signals what was seen
     * @return what became of it; unsent when the sidecar did not answer in time
     * @throws IllegalArgumentException the domain is no name, or the id no id
     */
    public RewardResult reward(String domain, String decisionId, Signals signals) {
        return send(domain, decisionId, usable(signals), false);
    }

    /**
     * Reports what is known so far and keeps the decision open for more. A signal keeps its first value.
     *
     * @param domain the kind of decision
     * @param decisionId which one
     * @param signals what was seen
     * @return what became of it; unsent when the sidecar did not answer in time
     * @throws IllegalArgumentException the domain is no name, or the id no id
     */
    public RewardResult rewardInPart(String domain, String decisionId, Signals signals) {
        return send(domain, decisionId, usable(signals), true);
    }

    /**
     * Declares that the act never took place: the reserved money is given back and nothing is learned. Idempotent.
     *
     * @param decision which one
     * @return what became of it; unsent when there is nothing to release or the sidecar did not answer in time
     */
    public ReleaseResult release(Decision decision) {
        // A decision whose answer was missed may well have been recorded, and then holds money.
        return decision.recorded() || decision.answerMissed()
                ? release(decision.domain(), decision.decisionId())
                : ReleaseResult.unsent(NOT_RECORDED);
    }

    /**
     * Likewise, by its id.
     *
     * @param domain the kind of decision
     * @param decisionId which one
     * @return what became of it; unsent when the sidecar did not answer in time
     * @throws IllegalArgumentException the domain is no name, or the id no id
     */
    public ReleaseResult release(String domain, String decisionId) {
        ReleaseRequest request = requests.release(domain, decisionId);
        try {
            return answers.release(sidecar.release(request));
        } catch (StatusRuntimeException error) {
            return answers.unsent(request, error.getStatus());
        }
    }

    /** Closes the connection. Later calls fall back as if nobody listened. */
    @Override
    public void close() {
        sidecar.close();
    }

    /** Carries out what the end of a block asks for. */
    void report(OpenDecision decision, OpenDecision.Ending ending, OnError onError) {
        if (decision.answerMissed()) {
            decision.reported(release(decision));
        } else if (decision.recorded()) {
            switch (ending) {
                case SUCCEEDED -> decision.reported(rewardAtEnd(decision));
                case STOPPED -> decision.reported(release(decision));
                case FAILED -> reportFailure(decision, onError);
                case UNSAID -> {
                    log.note(
                            "unsaid",
                            "a block of " + decision.domain() + " ended without observe() or succeed(),"
                                    + " so its act is taken as failed");
                    reportFailure(decision, onError);
                }
            }
        }
    }

    private void reportFailure(OpenDecision decision, OnError onError) {
        switch (onError) {
            case WORST -> {
                decision.observe(Signals.with().reward(0));
                decision.reported(reward(decision));
            }
            case RELEASE -> decision.reported(release(decision));
            case IGNORE -> {}
        }
    }

    private RewardResult rewardAtEnd(Decision decision) {
        return send(
                decision.domain(), decision.decisionId(), decision.observations().values(), decision.moreToCome());
    }

    private Decision.Answer ask(String domain, List<String> candidates, DecisionOptions options) {
        RecommendRequest request = requests.recommend(domain, candidates, options);
        try {
            return answers.decision(request, sidecar.recommend(request));
        } catch (StatusRuntimeException error) {
            return answers.fallback(request, error.getStatus());
        }
    }

    private RewardResult send(String domain, String decisionId, Map<String, Double> signals, boolean more) {
        RewardRequest request = requests.reward(domain, decisionId, signals, more);
        try {
            return answers.reward(request, sidecar.reward(request));
        } catch (StatusRuntimeException error) {
            return answers.unsent(request, error.getStatus());
        }
    }

    private Map<String, Double> usable(Signals signals) {
        Observations observed = new Observations(log, System::nanoTime);
        observed.add(signals.values());
        return observed.values();
    }
}
