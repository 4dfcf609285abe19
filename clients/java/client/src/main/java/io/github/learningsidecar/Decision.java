package io.github.learningsidecar;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One decision. Execute {@link #arm}, unless {@link #refused}: then do not act at all.
 *
 * <p>Safe to share between threads.
 */
public class Decision {
    private final Answer answer;
    private final Observations observations;
    private volatile boolean moreToCome;
    private volatile Report report;

    Decision(Answer answer, Observations observations) {
        this.answer = answer;
        this.observations = observations;
    }

    /** What is known of a decision, apart from what the app makes of it. */
    record Answer(
            String domain,
            String decisionId,
            String arm,
            String baseline,
            Source source,
            double propensity,
            Mode mode,
            String proposal,
            List<ShieldAction> shields,
            boolean refused,
            boolean degraded,
            String policy,
            long statisticsVersion,
            double reservedUsd,
            long expiresAtUnixMs,
            boolean answerMissed) {}

    /**
     * Notes signals of the act, to be reported when the block ends or with {@link LearningClient#reward(Decision)}.
     *
     * <p>May be called often; of each signal the last value counts. A value that is not finite or out of its range
     * (see {@link Signals}) is logged and dropped: data never throws.
     *
     * @param signals what was seen
     */
    public void observe(Signals signals) {
        observations.add(Objects.requireNonNull(signals, "the signals are null").values());
    }

    /**
     * Reports what was observed when the block ends, but leaves the decision open for more.
     *
     * <p>For feedback that comes later: keep {@link #decisionId}, and complete it with {@link
     * LearningClient#reward(String, String, Signals)} before {@link #expiresAtUnixMs}. Should nothing come, what was
     * collected is applied then.
     */
    public void keepOpen() {
        moreToCome = true;
    }

    /**
     * Tells what became of the report that the block sent at its end.
     *
     * @return the result; empty before the end, and when no report was due
     */
    public Optional<Report> report() {
        return Optional.ofNullable(report);
    }

    /**
     * Returns the kind of decision that was asked for.
     *
     * @return the domain
     */
    public String domain() {
        return answer.domain;
    }

    /**
     * Names the decision in rewards and logs; keep it when feedback comes after the block has ended.
     *
     * @return the id
     */
    public String decisionId() {
        return answer.decisionId;
    }

    /**
     * Returns the arm to execute.
     *
     * @return always one of the candidates; the baseline when {@link #refused}
     */
    public String arm() {
        return answer.arm;
    }

    /**
     * Returns the first candidate: what the app would have done without learning.
     *
     * @return the baseline
     */
    public String baseline() {
        return answer.baseline;
    }

    /**
     * Tells who chose the arm.
     *
     * @return the source; {@link Source#FALLBACK} when the sidecar was missing, late or failing
     */
    public Source source() {
        return answer.source;
    }

    /**
     * Returns the exact probability with which this arm was executed.
     *
     * @return above 0, at most 1; 1 in a fallback
     */
    public double propensity() {
        return answer.propensity;
    }

    /**
     * Tells how far the domain lets the learner act.
     *
     * @return the mode in force
     */
    public Mode mode() {
        return answer.mode;
    }

    /**
     * Returns what the policy would have executed; unless {@link #mode} is ungated it may differ from {@link #arm}.
     *
     * @return the proposal; empty if there was none
     */
    public String proposal() {
        return answer.proposal;
    }

    /**
     * Tells what the shields did, in the order in which they acted.
     *
     * @return their actions; not to be changed
     */
    public List<ShieldAction> shields() {
        return answer.shields;
    }

    /**
     * Tells whether no candidate is affordable and the domain says that then none is executed.
     *
     * @return true when the app should not act
     */
    public boolean refused() {
        return answer.refused;
    }

    /**
     * Tells whether the store, or in a fallback the sidecar, could not be asked.
     *
     * @return true when the arm is the baseline and nothing was recorded
     */
    public boolean degraded() {
        return answer.degraded;
    }

    /**
     * Names the policy in use.
     *
     * @return such as {@code thompson}; empty in a fallback
     */
    public String policy() {
        return answer.policy;
    }

    /**
     * Returns the version of the statistics that the decision was made on.
     *
     * @return grows with every change; 0 in a fallback
     */
    public long statisticsVersion() {
        return answer.statisticsVersion;
    }

    /**
     * Returns what was reserved for this decision.
     *
     * @return US dollars
     */
    public double reservedUsd() {
        return answer.reservedUsd;
    }

    /**
     * Returns when the reward is due, by the store's clock.
     *
     * @return milliseconds since the Unix epoch; 0 when nothing was recorded
     */
    public long expiresAtUnixMs() {
        return answer.expiresAtUnixMs;
    }

    /**
     * Tells whether the sidecar waits for a reward. If not, none is sent.
     *
     * @return whether the decision was recorded
     */
    public boolean recorded() {
        return answer.expiresAtUnixMs > 0 && !answer.refused;
    }

    /** The answer was late, so the sidecar may hold a decision that nobody acts on: the block's end releases it. */
    final boolean answerMissed() {
        return answer.answerMissed;
    }

    final boolean moreToCome() {
        return moreToCome;
    }

    final Observations observations() {
        return observations;
    }

    final void reported(Report result) {
        report = result;
    }

    @Override
    public String toString() {
        return answer.toString();
    }
}
