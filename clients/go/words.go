package learning

import "strings"

// Source says who chose the arm.
type Source string

// The sources of a decision.
const (
	// SourceLearned: the policy chose it.
	SourceLearned Source = "learned"
	// SourceBaseline: it is the first candidate, because the domain's mode says so.
	SourceBaseline Source = "baseline"
	// SourceReplay: this decision id was answered before; this is that answer.
	SourceReplay Source = "replay"
	// SourceDegraded: the sidecar could not ask its store; it is the first candidate and was not recorded.
	SourceDegraded Source = "degraded"
	// SourceShield: a budget or latency shield chose it, because what would have been executed was not allowed.
	SourceShield Source = "shield"
	// SourceFallback: the sidecar was missing, late or failing, so the client took the first candidate.
	SourceFallback Source = "fallback"
)

// Mode says how far the domain lets the learner act.
type Mode string

// The modes of a domain.
const (
	// ModeOff: the first candidate is executed and nothing is recorded.
	ModeOff Mode = "off"
	// ModeShadow: the first candidate is executed; what the policy would have done is recorded.
	ModeShadow Mode = "shadow"
	// ModeCanary: where the policy's choice differs from the first candidate, it is executed in a small share.
	ModeCanary Mode = "canary"
	// ModeLive: there it is executed in all but a small share of the decisions.
	ModeLive Mode = "live"
	// ModeUngated: the policy's choice is executed, with no guarantee against the baseline.
	ModeUngated Mode = "ungated"
	// ModeUnspecified: not known, as in a fallback.
	ModeUnspecified Mode = "unspecified"
)

// Shield is a limit that is enforced before an arm is returned.
type Shield string

// The shields.
const (
	// ShieldBudget guards the budgets of the domain and of the workspace.
	ShieldBudget Shield = "budget"
	// ShieldLatency guards what the request can wait.
	ShieldLatency Shield = "latency"
)

// ShieldEffect says what a shield did with an arm.
type ShieldEffect string

// The effects of a shield.
const (
	// EffectSteppedOver: the arm was taken out of the choice.
	EffectSteppedOver ShieldEffect = "stepped_over"
	// EffectFastestAnyway: no arm was allowed, so the fastest was executed.
	EffectFastestAnyway ShieldEffect = "fastest_anyway"
	// EffectCheapestAnyway: no arm was affordable, so the cheapest was executed.
	EffectCheapestAnyway ShieldEffect = "cheapest_anyway"
	// EffectRefused: no arm was affordable, and the domain declares that then none is executed.
	EffectRefused ShieldEffect = "refused"
)

// Outcome says what became of a report.
type Outcome string

// The outcomes of a reward or of a release.
const (
	// Applied: the statistics, the averages and the budget were updated.
	Applied Outcome = "applied"
	// Duplicate: the decision was settled before; nothing changed.
	Duplicate Outcome = "duplicate"
	// Late: the decision had expired or was released. Nothing was learned; a reported cost was booked.
	Late Outcome = "late"
	// Unknown: the sidecar knows no such decision; nothing changed.
	Unknown Outcome = "unknown"
	// Collected: a partial report was kept; the decision is still open.
	Collected Outcome = "collected"
	// Spooled: the sidecar's store is away. The report is on the sidecar's disk, and counts once when it is back.
	Spooled Outcome = "spooled"
	// Released: the reserved money was given back.
	Released Outcome = "released"
	// AlreadyClosed: the decision to release was settled, released or expired before; nothing changed.
	AlreadyClosed Outcome = "already_closed"
	// Unsent: no answer came back in time. Sending it again is safe.
	Unsent Outcome = "unsent"
)

// word translates a number of the API. One that a newer sidecar says and this client does not know is "unspecified".
func word[Word ~string](names map[int32]string, number int32, prefix string) Word {
	name, known := names[number]
	if !known {
		return "unspecified"
	}
	return Word(strings.ToLower(strings.TrimPrefix(name, prefix)))
}
