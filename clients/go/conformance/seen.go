package main

import (
	"time"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

type seenReport struct {
	Outcome learning.Outcome `json:"outcome"`
	Reward  *float64         `json:"reward"`
}

func sawReport(report learning.Report) seenReport {
	return seenReport{Outcome: report.Outcome, Reward: report.Reward}
}

type rewardSeen struct {
	seenReport
	Arm     string   `json:"arm"`
	Missing []string `json:"missing"`
}

type seenShield struct {
	Shield learning.Shield       `json:"shield"`
	Effect learning.ShieldEffect `json:"effect"`
	Arm    string                `json:"arm"`
}

// seenDecision is a decision and its report as an answer tells them.
type seenDecision struct {
	Domain          string          `json:"domain"`
	DecisionID      string          `json:"decision_id"`
	Arm             string          `json:"arm"`
	Baseline        string          `json:"baseline"`
	Source          learning.Source `json:"source"`
	Mode            learning.Mode   `json:"mode"`
	Propensity      float64         `json:"propensity"`
	Proposal        string          `json:"proposal"`
	Refused         bool            `json:"refused"`
	Degraded        bool            `json:"degraded"`
	Recorded        bool            `json:"recorded"`
	Shields         []seenShield    `json:"shields"`
	ExpiresAtUnixMS int64           `json:"expires_at_unix_ms"`
	AskMS           float64         `json:"ask_ms"`
	Acted           bool            `json:"acted"`
	Raised          bool            `json:"raised"`
	Report          *seenReport     `json:"report"`
}

func sawDecision(decision learning.Decision, asked time.Duration) *seenDecision {
	seen := &seenDecision{
		Domain:     decision.Domain,
		DecisionID: decision.ID,
		Arm:        decision.Arm,
		Baseline:   decision.Baseline,
		Source:     decision.Source,
		Mode:       decision.Mode,
		Propensity: decision.Propensity,
		Proposal:   decision.Proposal,
		Refused:    decision.Refused,
		Degraded:   decision.Degraded,
		Recorded:   decision.Recorded(),
		Shields:    []seenShield{},
		AskMS:      float64(asked) / float64(time.Millisecond),
	}
	if !decision.ExpiresAt.IsZero() {
		seen.ExpiresAtUnixMS = decision.ExpiresAt.UnixMilli()
	}
	for _, action := range decision.Shields {
		seen.Shields = append(seen.Shields, seenShield(action))
	}
	return seen
}

// reported adds how the act went, and what became of its report.
func (s *seenDecision) reported(acted, raised bool, report *learning.Report) *seenDecision {
	s.Acted, s.Raised = acted, raised
	if report != nil {
		told := sawReport(*report)
		s.Report = &told
	}
	return s
}
