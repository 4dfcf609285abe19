package learning

import "github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"

// A Report says what became of a reward or of a release.
type Report struct {
	// Outcome is what was done with it; [Unsent] when the sidecar did not take it.
	Outcome Outcome
	// Reward is the reward that the signals make, 0 to 1; nil unless applied or collected.
	Reward *float64
	// Arm is the arm that was credited; empty unless applied.
	Arm string
	// Breakdown says how the reward came about; empty when it was given outright.
	Breakdown []Contribution
	// Missing lists the declared signals that were not reported.
	Missing []string
	// Reason says why it is unsent; nil otherwise.
	Reason error
}

// A Contribution is one signal's part in a reward.
type Contribution struct {
	// Signal is the signal's name.
	Signal Signal
	// Value is the value as reported, in the signal's unit.
	Value float64
	// Normalized is the value on the declared range, 0 (worst) to 1 (best).
	Normalized float64
	// Weight is the share of the weights, 0 to 1; all shares add up to 1.
	Weight float64
}

func unsent(reason error) Report {
	return Report{Outcome: Unsent, Reason: reason}
}

func readReward(answer *learningpb.RewardResponse) Report {
	report := Report{
		Outcome: word[Outcome](learningpb.RewardOutcome_name, int32(answer.GetOutcome()), "REWARD_OUTCOME_"),
		Reward:  answer.Reward,
		Arm:     answer.GetArm(),
		Missing: answer.GetMissing(),
	}
	for _, part := range answer.GetBreakdown() {
		report.Breakdown = append(report.Breakdown, Contribution{
			Signal:     Signal(part.GetSignal()),
			Value:      part.GetValue(),
			Normalized: part.GetNormalized(),
			Weight:     part.GetWeight(),
		})
	}
	return report
}
