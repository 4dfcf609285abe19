package learning

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

// A Decision says which arm to execute, and why it is that one. Execute Arm, unless Refused: then do not act at all.
type Decision struct {
	// Domain is the kind of decision that was asked for.
	Domain string
	// ID names the decision in rewards and logs; keep it when feedback comes later.
	ID string
	// Arm is the arm to execute: always one of the candidates; the baseline when Refused.
	Arm string
	// Baseline is the first candidate: what the app would have done without learning.
	Baseline string
	// Source says who chose the arm; [SourceFallback] when the sidecar was missing, late or failing.
	Source Source
	// Propensity is the exact probability with which this arm was executed, (0, 1]; 1 in a fallback.
	Propensity float64
	// Mode says how far the domain lets the learner act.
	Mode Mode
	// Proposal is what the policy would have executed; unless Mode is ungated it may differ from Arm. Empty: none.
	Proposal string
	// Shields is what the shields did, in the order in which they acted.
	Shields []ShieldAction
	// Refused says that no candidate is affordable and that the domain then wants none executed: do not act.
	Refused bool
	// Degraded says that the store, or in a fallback the sidecar, could not be asked: nothing was recorded.
	Degraded bool
	// Policy is the policy in use, such as "thompson".
	Policy string
	// StatisticsVersion is the version of the statistics that the decision was made on.
	StatisticsVersion int64
	// ReservedUSD is what was reserved for this decision, in US dollars.
	ReservedUSD float64
	// ExpiresAt is when the reward is due, by the store's clock; zero when nothing was recorded.
	ExpiresAt time.Time
	// AnswerMissed says that the fallback was taken because the answer was late. The sidecar may then hold a decision
	// that nobody acts on: an [Act] releases it at its end.
	AnswerMissed bool
}

// A ShieldAction is one thing that a shield did, so that a decision explains itself.
type ShieldAction struct {
	// Shield is the limit that acted.
	Shield Shield
	// Effect is what it did.
	Effect ShieldEffect
	// Arm is the arm it did it to.
	Arm string
}

// Recorded says whether the sidecar waits for a reward. If not, an [Act] sends none.
func (d Decision) Recorded() bool {
	return !d.ExpiresAt.IsZero() && !d.Refused
}

// checkAnswer says what makes an answer unusable.
func checkAnswer(request *learningpb.RecommendRequest, answer *learningpb.RecommendResponse) error {
	if answer.GetOutcome() == learningpb.RecommendOutcome_RECOMMEND_OUTCOME_REFUSED {
		return nil
	}
	isAnswered := func(candidate *learningpb.Candidate) bool { return candidate.GetArm() == answer.GetArm() }
	if !slices.ContainsFunc(request.GetCandidates(), isAnswered) {
		return fmt.Errorf("the answer %q is not one of the candidates", answer.GetArm())
	}
	return nil
}

// fallback is the decision without an answer: the first candidate.
func fallback(request *learningpb.RecommendRequest, err error) Decision {
	return Decision{
		Domain:       request.GetDomain(),
		ID:           request.GetDecisionId(),
		Arm:          baseline(request),
		Baseline:     baseline(request),
		Source:       SourceFallback,
		Propensity:   1,
		Mode:         ModeUnspecified,
		Degraded:     true,
		AnswerMissed: errors.Is(err, errAnswerMissed),
	}
}

// readDecision reads an answer that checkAnswer found usable.
func readDecision(request *learningpb.RecommendRequest, answer *learningpb.RecommendResponse) Decision {
	decision := Decision{
		Domain:            request.GetDomain(),
		ID:                request.GetDecisionId(),
		Arm:               answer.GetArm(),
		Baseline:          baseline(request),
		Source:            word[Source](learningpb.Source_name, int32(answer.GetSource()), "SOURCE_"),
		Propensity:        answer.GetPropensity(),
		Mode:              word[Mode](learningpb.Mode_name, int32(answer.GetMode()), "MODE_"),
		Proposal:          answer.GetProposal(),
		Shields:           readShields(answer.GetShields()),
		Degraded:          answer.GetDegraded(),
		Policy:            answer.GetPolicy(),
		StatisticsVersion: answer.GetStatisticsVersion(),
		ReservedUSD:       answer.GetReservedUsd(),
	}
	if answer.GetOutcome() == learningpb.RecommendOutcome_RECOMMEND_OUTCOME_REFUSED {
		decision.Refused = true
		decision.Arm = decision.Baseline
	}
	if expires := answer.GetExpiresAtUnixMs(); expires > 0 {
		decision.ExpiresAt = time.UnixMilli(expires)
	}
	return decision
}

func readShields(actions []*learningpb.ShieldAction) []ShieldAction {
	read := make([]ShieldAction, len(actions))
	for i, action := range actions {
		read[i] = ShieldAction{
			Shield: word[Shield](learningpb.Shield_name, int32(action.GetShield()), "SHIELD_"),
			Effect: word[ShieldEffect](learningpb.ShieldEffect_name, int32(action.GetEffect()), "SHIELD_EFFECT_"),
			Arm:    action.GetArm(),
		}
	}
	return read
}

func baseline(request *learningpb.RecommendRequest) string {
	return request.GetCandidates()[0].GetArm()
}
