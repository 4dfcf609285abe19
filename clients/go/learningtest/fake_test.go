package learningtest_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

var candidates = []string{"small", "large"}

// An app is tested by what it did with the arm that a test chose for it.
func Example() {
	fake := learningtest.New(learningtest.Last)
	d, err := fake.Decide(context.Background(), "route", []string{"small", "large"})
	if err != nil {
		fmt.Println(err)
		return
	}
	d.Observe(learning.Signals{learning.Quality: 1})
	d.End(nil)
	fmt.Println(fake.Rewards()[0].Arm, fake.Rewards()[0].Signals[learning.Quality])

	fake.SetAway(true)
	d, err = fake.Decide(context.Background(), "route", []string{"small", "large"})
	fmt.Println(d.Arm, d.Source, err)
	// Output:
	// large 1
	// small fallback <nil>
}

// The chooser sees what the app has sent.
func TestChooser(t *testing.T) {
	fake := learningtest.New(func(domain string, candidates []string, features learning.Context) string {
		if domain != "route" || !reflect.DeepEqual(features, learning.Context{"tokens": 812}) {
			t.Errorf("asked for %s with %v", domain, features)
		}
		return candidates[1]
	})
	decision, err := fake.Recommend(t.Context(), "route", candidates, learning.Context{"tokens": 812})
	if err != nil || decision.Arm != "large" || decision.Policy != "fake" || !decision.Recorded() {
		t.Errorf("got %+v, %v", decision, err)
	}
}

// A decision is made once, and settled once.
func TestIdempotence(t *testing.T) {
	fake := learningtest.New(nil)
	for _, source := range []learning.Source{learning.SourceLearned, learning.SourceReplay} {
		decision, err := fake.Recommend(t.Context(), "route", candidates, learning.DecisionID("mine"))
		if err != nil || decision.Source != source {
			t.Errorf("expected %s, got %+v, %v", source, decision, err)
		}
	}
	for _, expected := range []learning.Outcome{learning.Released, learning.AlreadyClosed} {
		if report, err := fake.Release(t.Context(), "route", "mine"); err != nil || report.Outcome != expected {
			t.Errorf("expected %s, got %+v, %v", expected, report, err)
		}
	}
	if report, err := fake.Reward(t.Context(), "route", "mine", nil); err != nil || report.Outcome != learning.Duplicate {
		t.Errorf("got %+v, %v", report, err)
	}
	if released := fake.Released(); !reflect.DeepEqual(released, []string{"mine"}) {
		t.Errorf("released %v", released)
	}
}

// What the fake has not decided it does not know, as a sidecar.
func TestUnknown(t *testing.T) {
	fake := learningtest.New(nil)
	rewarded, _ := fake.Reward(t.Context(), "route", "stranger", learning.Signals{learning.Reward: 1})
	released, _ := fake.Release(t.Context(), "route", "stranger")
	if rewarded.Outcome != learning.Unknown || released.Outcome != learning.Unknown {
		t.Errorf("got %+v and %+v", rewarded, released)
	}
}

// After Close the app falls back, and so it does when its context was cancelled.
func TestNotThere(t *testing.T) {
	fake := learningtest.New(nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if decision, err := fake.Recommend(cancelled, "route", candidates); err != nil || !decision.AnswerMissed {
		t.Errorf("got %+v, %v", decision, err)
	}
	if err := fake.Close(); err != nil {
		t.Error(err)
	}
	if decision, err := fake.Recommend(t.Context(), "route", candidates); err != nil || decision.Source != learning.SourceFallback {
		t.Errorf("got %+v, %v", decision, err)
	}
}

// A chooser, or an option, that is wrong ends the test.
func TestPanics(t *testing.T) {
	stranger := func(string, []string, learning.Context) string { return "stranger" }
	cases := map[string]func(){
		"stranger": func() { _, _ = learningtest.New(stranger).Recommend(t.Context(), "route", candidates) },
		"option":   func() { learningtest.New(nil, learning.WithTenant("")) },
	}
	for name, panics := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			panics()
		})
	}
}

// Goroutines share a fake.
func TestTogether(t *testing.T) {
	fake := learningtest.New(nil)
	var acts sync.WaitGroup
	for range 50 {
		acts.Go(func() {
			act, err := fake.Decide(t.Context(), "route", candidates)
			if err != nil {
				t.Error(err)
				return
			}
			act.End(nil)
		})
	}
	acts.Wait()
	if rewards := fake.Rewards(); len(rewards) != 50 {
		t.Errorf("expected 50 rewards, got %d", len(rewards))
	}
}
