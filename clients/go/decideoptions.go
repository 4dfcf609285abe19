package learning

import (
	"time"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

// A DecideOption says more about one decision of [Client.Decide] or [Learn].
type DecideOption interface {
	apply(*question) error
}

// A RecommendOption says more about one decision; [Client.Recommend] takes it too.
type RecommendOption interface {
	DecideOption
	recommends()
}

// Context are numeric features of the request, at most 64, each within ±1e12. Others are logged and left out.
type Context map[string]float64

func (c Context) apply(q *question) error {
	q.context = c
	return nil
}

func (Context) recommends() {}

// CostCeilingsUSD are the most that executing an arm can cost, in US dollars, 0 to 1,000,000, by arm. It is reserved
// from the budgets until the reward tells the actual cost. Arms that are not candidates are ignored.
type CostCeilingsUSD map[string]float64

func (c CostCeilingsUSD) apply(q *question) error {
	q.ceilings = c
	return nil
}

func (CostCeilingsUSD) recommends() {}

// MaxLatency is how long the act may take; 0 or less asks for the fastest arm. Without it: the domain's limit.
type MaxLatency time.Duration

func (m MaxLatency) apply(q *question) error {
	// The API takes a microsecond to a day. With less the time is already up, so only the fastest arm will do, and
	// with more any arm will.
	wait := min(max(time.Duration(m), time.Microsecond), maxLatencyMax)
	milliseconds := float64(wait) / float64(time.Millisecond)
	q.request.MaxLatencyMs = &milliseconds
	return nil
}

func (MaxLatency) recommends() {}

// RewardDeadline is how long the sidecar waits for the reward, 1 ms to 7 days. Without it: the domain's deadline.
type RewardDeadline time.Duration

func (r RewardDeadline) apply(q *question) error {
	wait := time.Duration(r)
	if wait < time.Millisecond || wait > rewardDeadlineMax {
		q.leaveOut("the reward deadline", wait)
		return nil
	}
	milliseconds := wait.Milliseconds()
	q.request.RewardDeadlineMs = &milliseconds
	return nil
}

func (RewardDeadline) recommends() {}

// DecisionID is 1 to 128 printable ASCII characters without spaces; asking again with the same id gives the same
// answer. Without it the client makes one.
type DecisionID string

func (d DecisionID) apply(q *question) error {
	q.request.DecisionId = string(d)
	return checkID(string(d))
}

func (DecisionID) recommends() {}

// OnError says what [Act.End] reports when the act fails. The error or panic itself is never touched.
type OnError string

// The rules for acts that fail.
const (
	// OnErrorWorst reports a reward of 0, with the latency and whatever cost was observed: the arm failed. The default.
	OnErrorWorst OnError = "worst"
	// OnErrorRelease gives the money back and learns nothing: the arm is not to blame.
	OnErrorRelease OnError = "release"
	// OnErrorIgnore reports nothing: at the deadline the sidecar applies the domain's rule for missing rewards.
	OnErrorIgnore OnError = "ignore"
)

func (o OnError) apply(q *question) error {
	switch o {
	case OnErrorWorst, OnErrorRelease, OnErrorIgnore:
		q.onError = o
		return nil
	}
	return misused("the rule on error", "must be %q, %q or %q, got %.200q",
		OnErrorWorst, OnErrorRelease, OnErrorIgnore, string(o))
}

// A RewardOption says more about one report of [Client.Reward].
type RewardOption func(*learningpb.RewardRequest)

// MoreToCome keeps the decision open for more signals. If none follow by its deadline, what was collected is applied.
func MoreToCome() RewardOption {
	return func(request *learningpb.RewardRequest) { request.MoreToCome = true }
}
