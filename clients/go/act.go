package learning

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// An Act is a decision that is being carried out. It times the act, collects what is observed about it, and reports at
// its End. Goroutines of the act may share it.
type Act struct {
	Decision

	client  *Client
	asking  context.Context // of the app: whether it was cancelled tells why an act failed
	onError OnError
	started time.Time

	mu         sync.Mutex
	elapsed    time.Duration
	stopped    bool
	ended      bool
	observed   Signals
	moreToCome bool
	report     *Report
}

func newAct(ctx context.Context, client *Client, decision Decision, onError OnError) *Act {
	return &Act{
		Decision: decision,
		client:   client,
		asking:   ctx,
		onError:  onError,
		started:  time.Now(),
		observed: Signals{},
	}
}

// Observe notes signals of the act, to be reported at its end. It may be called often; of each signal the last value
// counts. It never fails: a value that is not finite or out of its range is logged, at most once a minute, and dropped,
// and so is a signal that does not exist.
func (a *Act) Observe(signals Signals) {
	a.mu.Lock()
	defer a.mu.Unlock()
	signals.keepUsable(a.asking, a.observed, a.client.log)
}

// KeepOpen leaves the decision open for feedback that comes later: [Act.End] reports what was observed by then. Keep
// the ID, and complete it with [Client.Reward] before ExpiresAt. Should nothing come, what was collected is applied then.
func (a *Act) KeepOpen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moreToCome = true
}

// Observed returns what is reported: what was observed and, once the act has ended, how long it took. Should the report
// be [Unsent], it can be sent again with [Client.Reward].
func (a *Act) Observed() Signals {
	a.mu.Lock()
	defer a.mu.Unlock()
	signals := Signals{}
	if a.stopped {
		signals[LatencyMS] = min(float64(a.elapsed)/float64(time.Millisecond), latencyMSMax)
	}
	maps.Copy(signals, a.observed)
	return signals
}

// Report says what became of the report that End sent; nil before that, and when none was due.
func (a *Act) Report() *Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report
}

// End stops the time and reports; it takes at most the client's time-out. Defer it:
//
//	defer d.End(&err)
//
// where err is the error that the function returns, or nil if it has none. Defer it itself, not a function that calls
// it, or it does not see panics. Nothing is sent when nothing was recorded: a
// fallback, a refusal, a degraded sidecar, mode off. A decision whose answer came too late is released, so that it
// holds no money. If the function fails, by an error or by a panic, the failure is left as it is, and [OnError] says
// what is reported. If it fails because its context was cancelled, the decision is released: that says nothing about
// the arm. A deadline that passed is a failure of the act: it took too long. Only the first End counts.
func (a *Act) End(err *error) {
	// The deferred function itself has to recover, so that it sees a panic.
	if panicked := recover(); panicked != nil {
		a.end(a.onError)
		panic(panicked)
	}
	switch {
	case err == nil || *err == nil:
		a.end("")
	case errors.Is(*err, context.Canceled) || errors.Is(a.asking.Err(), context.Canceled):
		a.end(OnErrorRelease)
	default:
		a.end(a.onError)
	}
}

// end reports by a rule for failed acts, or, without one, an act that went well.
func (a *Act) end(failed OnError) {
	a.stop()
	if !a.first() {
		return
	}
	report := a.settle(failed)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report = report
}

// stop ends the timing; only the first stop counts.
func (a *Act) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped {
		a.stopped, a.elapsed = true, time.Since(a.started)
	}
}

func (a *Act) first() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := !a.ended
	a.ended = true
	return first
}

// settle sends what is due, and returns nil when nothing is. The app may have cancelled its context by now, and has
// yet to report.
func (a *Act) settle(failed OnError) *Report {
	ctx := context.WithoutCancel(a.asking)
	var report Report
	switch {
	case a.AnswerMissed || (failed == OnErrorRelease && a.Recorded()):
		report = a.client.release(ctx, a.client.compose.release(a.Domain, a.ID))
	case failed == OnErrorIgnore || !a.Recorded():
		return nil
	default:
		request := a.client.compose.reward(ctx, a.Domain, a.ID, a.signals(failed))
		request.MoreToCome = failed == "" && a.keepsOpen()
		report = a.client.reward(ctx, request)
	}
	return &report
}

func (a *Act) signals(failed OnError) Signals {
	if failed == OnErrorWorst {
		a.mu.Lock()
		a.observed[Reward] = 0 // kept, so that sending it again says the same
		a.mu.Unlock()
	}
	return a.Observed()
}

func (a *Act) keepsOpen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.moreToCome
}
