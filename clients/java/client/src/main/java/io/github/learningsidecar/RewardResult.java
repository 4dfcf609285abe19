package io.github.learningsidecar;

import java.util.List;
import java.util.OptionalDouble;

/**
 * What became of a reward.
 *
 * @param outcome what was done with it; {@link RewardOutcome#UNSENT} when the sidecar did not take it
 * @param reward the reward that the signals make, 0 to 1; empty unless applied or collected
 * @param arm the arm that was credited; empty unless applied
 * @param breakdown how the reward came about; empty when it was given outright
 * @param missing declared signals that were not reported
 * @param reason why it is unsent; empty otherwise
 */
public record RewardResult(
        RewardOutcome outcome,
        OptionalDouble reward,
        String arm,
        List<Contribution> breakdown,
        List<String> missing,
        String reason)
        implements Report {

    static RewardResult unsent(String reason) {
        return new RewardResult(RewardOutcome.UNSENT, OptionalDouble.empty(), "", List.of(), List.of(), reason);
    }
}
