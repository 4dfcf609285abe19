package learning_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

var errModel = errors.New("the model failed")

// run decides and acts as an app's function does.
func run(
	ctx context.Context, client *learning.Client, work func(*learning.Act) error, options ...learning.DecideOption,
) (act *learning.Act, err error) {
	act, err = client.Decide(ctx, "route", candidates, options...)
	if err != nil {
		return nil, err
	}
	defer act.End(&err)
	return act, work(act)
}

// An act that went well is rewarded with what was observed last, and with its duration.
func TestEndReports(t *testing.T) {
	fake := learningtest.New(learningtest.Last)
	act, err := run(t.Context(), fake.Client, func(act *learning.Act) error {
		time.Sleep(20 * time.Millisecond)
		act.Observe(learning.Signals{learning.Quality: 0.1})
		act.Observe(learning.Signals{learning.Quality: 0.9, learning.CostUSD: 0.01})
		return nil
	})

	reward := fake.Rewards()[0]
	if err != nil || act.Report().Outcome != learning.Applied || reward.Arm != "large" || reward.MoreToCome {
		t.Errorf("got %+v, %+v, %v", act.Report(), reward, err)
	}
	if reward.Signals[learning.Quality] != 0.9 || reward.Signals[learning.CostUSD] != 0.01 {
		t.Errorf("got %v", reward.Signals)
	}
	if took := reward.Signals[learning.LatencyMS]; took < 20 || took > 5_000 {
		t.Errorf("the latency is %v ms", took)
	}
	if !reflect.DeepEqual(act.Observed(), reward.Signals) {
		t.Errorf("observed %v, reported %v", act.Observed(), reward.Signals)
	}
}

// What is reported for an act that fails is what the rule says; the failure itself is left as it is.
func TestFailures(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	const nothing, zero, released = "nothing", "a reward of 0", "a release"
	cases := map[string]struct {
		rule     []learning.DecideOption
		failure  error
		expected string
	}{
		"default":            {nil, errModel, zero},
		"worst":              {[]learning.DecideOption{learning.OnErrorWorst}, errModel, zero},
		"release":            {[]learning.DecideOption{learning.OnErrorRelease}, errModel, released},
		"ignore":             {[]learning.DecideOption{learning.OnErrorIgnore}, errModel, nothing},
		"cancelled":          {nil, cancelled.Err(), released},
		"cancelled, wrapped": {nil, fmt.Errorf("asking: %w", context.Canceled), released},
		"cancelled, ignored": {[]learning.DecideOption{learning.OnErrorIgnore}, context.Canceled, released},
		"deadline":           {nil, context.DeadlineExceeded, zero},
	}
	for name, failing := range cases {
		t.Run(name, func(t *testing.T) {
			fake := learningtest.New(nil)
			act, err := run(t.Context(), fake.Client, func(act *learning.Act) error {
				act.Observe(learning.Signals{learning.Quality: 1, learning.Reward: 1, learning.CostUSD: 0.5})
				act.KeepOpen()
				return failing.failure
			}, failing.rule...)

			if err != failing.failure {
				t.Errorf("expected %v untouched, got %v", failing.failure, err)
			}
			if got := reported(fake, act); got != failing.expected {
				t.Errorf("expected %s, got %s", failing.expected, got)
			}
		})
	}
}

// reported tells what a fake has received about an act.
func reported(fake *learningtest.Fake, act *learning.Act) string {
	rewards, released := fake.Rewards(), fake.Released()
	switch {
	case len(rewards) == 0 && len(released) == 0 && act.Report() == nil:
		return "nothing"
	case len(released) == 1 && released[0] == act.ID && len(rewards) == 0:
		return "a release"
	case len(rewards) == 1 && rewards[0].Signals[learning.Reward] == 0 &&
		rewards[0].Signals[learning.CostUSD] == 0.5 && !rewards[0].MoreToCome:
		return "a reward of 0"
	}
	return fmt.Sprintf("rewards %v, released %v", rewards, released)
}

// A cancelled context releases the decision whatever the error is, and the report is still sent.
func TestContextCancelledInTheAct(t *testing.T) {
	fake := learningtest.New(nil)
	ctx, cancel := context.WithCancel(t.Context())
	act, err := run(ctx, fake.Client, func(*learning.Act) error {
		cancel()
		return errModel
	})

	if err != errModel || len(fake.Released()) != 1 || act.Report().Outcome != learning.Released {
		t.Errorf("got %v, %+v", err, act.Report())
	}
}

// An act that went well is rewarded although nobody waits for it any more.
func TestContextCancelledAfterTheAct(t *testing.T) {
	fake := learningtest.New(nil)
	ctx, cancel := context.WithCancel(t.Context())
	act, err := run(ctx, fake.Client, func(*learning.Act) error {
		cancel()
		return nil
	})

	if err != nil || act.Report().Outcome != learning.Applied {
		t.Errorf("got %v, %+v", err, act.Report())
	}
}

// A panic goes through untouched, and is reported as a failure.
func TestPanic(t *testing.T) {
	fake := learningtest.New(nil)
	defer func() {
		if panicked := recover(); panicked != errModel {
			t.Errorf("expected the panic untouched, got %v", panicked)
		}
		if rewards := fake.Rewards(); len(rewards) != 1 || rewards[0].Signals[learning.Reward] != 0 {
			t.Errorf("got %v", rewards)
		}
	}()
	_, _ = run(t.Context(), fake.Client, func(*learning.Act) error { panic(errModel) })
}

// Only the first End counts, and one without an error is of an act that went well.
func TestEndTwice(t *testing.T) {
	fake := learningtest.New(nil)
	act := decide(t, fake.Client)
	act.End(nil)
	failed := errModel
	act.End(&failed)

	if rewards := fake.Rewards(); len(rewards) != 1 || act.Report().Outcome != learning.Applied {
		t.Errorf("got %v, %+v", rewards, act.Report())
	}
	if _, failed := fake.Rewards()[0].Signals[learning.Reward]; failed {
		t.Error("an act that went well was reported as failed")
	}
}

// A decision that is kept open is completed later, by its id.
func TestKeepOpen(t *testing.T) {
	fake := learningtest.New(nil)
	act, err := run(t.Context(), fake.Client, func(act *learning.Act) error {
		act.KeepOpen()
		return nil
	})
	if err != nil || act.Report().Outcome != learning.Collected || !fake.Rewards()[0].MoreToCome {
		t.Errorf("got %v, %+v", err, act.Report())
	}
	report, err := fake.Reward(t.Context(), act.Domain, act.ID, learning.Signals{learning.Quality: 1})
	if err != nil || report.Outcome != learning.Applied {
		t.Errorf("got %v, %+v", err, report)
	}
}

// A refused decision has the baseline for those who do not look, and nothing is reported.
func TestRefused(t *testing.T) {
	fake := learningtest.New(func(string, []string, learning.Context) string { return "" })
	act := decide(t, fake.Client)
	act.End(nil)

	if !act.Refused || act.Arm != "small" || act.Recorded() || act.Report() != nil || len(fake.Rewards()) != 0 {
		t.Errorf("got %+v", act.Decision)
	}
}

// Signals that cannot be sent are dropped, and logged at most once a minute; an own latency wins over the measured one.
func TestObserveDropsBadData(t *testing.T) {
	sidecar, log := start(t), &logged{}
	act := decide(t, connect(t, sidecar.address, log.option()))
	act.Observe(learning.Signals{learning.Quality: 0.25, learning.LatencyMS: 3})
	act.Observe(learning.Signals{learning.Quality: math.NaN(), learning.Groundedness: math.Inf(1), "mood": 1})
	act.Observe(learning.Signals{learning.CostUSD: -1, learning.Reward: 1.5, learning.LatencyMS: 1e9})
	act.Observe(nil)
	act.End(nil)

	reward := sidecar.received()[1].(*learningpb.RewardRequest)
	expected := learning.Signals{learning.Quality: 0.25, learning.LatencyMS: 3}
	if !reflect.DeepEqual(act.Observed(), expected) || reward.GetSignals().GetLatencyMs() != 3 {
		t.Errorf("observed %v, sent %v", act.Observed(), reward)
	}
	if strings.Count(log.String(), "dropped") != 1 {
		t.Errorf("expected one warning, got:\n%s", log)
	}
}

// A reward that could not be delivered can be sent again.
func TestSendAgain(t *testing.T) {
	fake := learningtest.New(nil)
	act := decide(t, fake.Client)
	act.Observe(learning.Signals{learning.Quality: 1})
	fake.SetAway(true)
	act.End(nil)
	if act.Report().Outcome != learning.Unsent || act.Report().Reason == nil {
		t.Errorf("got %+v", act.Report())
	}
	fake.SetAway(false)
	report, err := fake.Reward(t.Context(), act.Domain, act.ID, act.Observed())
	if err != nil || report.Outcome != learning.Applied || fake.Rewards()[0].Signals[learning.Quality] != 1 {
		t.Errorf("got %v, %+v", err, report)
	}
}

// What an act that failed comes to is kept with it: sent again, its report says the same.
func TestSendAgainWhatFailed(t *testing.T) {
	fake := learningtest.New(nil)
	act := decide(t, fake.Client)
	act.Observe(learning.Signals{learning.Quality: 1})
	fake.SetAway(true)
	failure := errModel
	act.End(&failure)
	fake.SetAway(false)
	report, err := fake.Reward(t.Context(), act.Domain, act.ID, act.Observed())
	if err != nil || report.Outcome != learning.Applied {
		t.Fatalf("got %v, %+v", err, report)
	}
	if reward, told := fake.Rewards()[0].Signals[learning.Reward]; !told || reward != 0 {
		t.Errorf("got %+v, expected a reward of 0", fake.Rewards()[0].Signals)
	}
}
