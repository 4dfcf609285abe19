package learning

import (
	"context"
	"fmt"
)

// Learned is what [Learn] did.
type Learned[Result any] struct {
	// Result is what the act returned.
	Result Result
	// Decision is the decision it was executed under.
	Decision Decision
	// Report says what became of the reward; nil when none was due.
	Report *Report
}

// A RefusedError says that no candidate is affordable and that the domain then wants none executed; the act was not
// called.
type RefusedError struct {
	// Decision has the Shields that say what was not affordable.
	Decision Decision
}

// Error names the domain.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("learning: no candidate of %s is affordable, so none was executed", e.Decision.Domain)
}

// Learn decides, calls act with the arm, scores its result and reports: all of [Client.Decide] in one call.
//
// Only the act is timed, not the scoring. An error of score is logged, and its signals are missing: the act has
// succeeded and is paid for, so its result is returned all the same. The error is a [*UsageError], a [*RefusedError],
// or what the act returned, unchanged.
func Learn[Result any](
	ctx context.Context,
	client *Client,
	domain string,
	candidates []string,
	act func(ctx context.Context, arm string) (Result, error),
	score func(ctx context.Context, result Result) (Signals, error),
	options ...DecideOption,
) (learned Learned[Result], err error) {
	d, err := client.Decide(ctx, domain, candidates, options...)
	if err != nil {
		return learned, err
	}
	defer func() { learned.Report = d.Report() }()
	defer d.End(&err)
	learned.Decision = d.Decision
	if d.Refused {
		return learned, &RefusedError{Decision: d.Decision}
	}
	learned.Result, err = act(ctx, d.Arm)
	if err != nil {
		return learned, err
	}
	d.stop()
	signals, unscored := score(ctx, learned.Result)
	if unscored != nil {
		client.log.note(ctx, "score", "could not score an act, so its signals are missing",
			"domain", domain, "error", unscored)
	}
	d.Observe(signals)
	return learned, nil
}
