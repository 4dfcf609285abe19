// Package learningtest is for the tests of an app: a client with a sidecar that lives in memory.
//
//	fake := learningtest.New(learningtest.Last)
//	answer, err := handle(ctx, fake.Client, question)
//	// fake.Rewards()[0].Signals[learning.Quality] == 1
//	fake.SetAway(true) // from here on the app falls back
//
// Only the wire is replaced, so acts, timing and reports are the real thing.
package learningtest

import (
	"slices"
	"sync"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

// A Chooser returns the arm to execute, or "" to refuse. What is not one of the candidates makes the fake panic.
type Chooser func(domain string, candidates []string, features learning.Context) string

// First chooses the baseline.
func First(_ string, candidates []string, _ learning.Context) string {
	return candidates[0]
}

// Last chooses the last candidate.
func Last(_ string, candidates []string, _ learning.Context) string {
	return candidates[len(candidates)-1]
}

// A Reward is one reward that a fake has received.
type Reward struct {
	// Domain is the kind of decision.
	Domain string
	// DecisionID is the decision that is rewarded.
	DecisionID string
	// Arm is the arm that was executed; empty when the fake does not know the decision.
	Arm string
	// Signals is what was reported, the latency included.
	Signals learning.Signals
	// MoreToCome says whether it was a partial report.
	MoreToCome bool
}

// A Fake is a [learning.Client] without a sidecar. Goroutines may share it.
type Fake struct {
	*learning.Client
	sidecar *sidecar
}

// New makes a fake that answers what choose says; nil stands for [First]. It panics where [learning.New] gives an error.
func New(choose Chooser, options ...learning.Option) *Fake {
	if choose == nil {
		choose = First
	}
	answering := &sidecar{choose: choose, arms: map[string]string{}, closed: map[string]bool{}}
	client, err := learning.New(slices.Concat(options, []learning.Option{learning.WithConn(wire{answering})})...)
	if err != nil {
		panic(err)
	}
	return &Fake{Client: client, sidecar: answering}
}

// SetAway plays a sidecar that is missing, or one that is back.
func (f *Fake) SetAway(away bool) {
	f.sidecar.mu.Lock()
	defer f.sidecar.mu.Unlock()
	f.sidecar.away = away
}

// Rewards returns every reward that came, in order.
func (f *Fake) Rewards() []Reward {
	f.sidecar.mu.Lock()
	defer f.sidecar.mu.Unlock()
	return slices.Clone(f.sidecar.rewards)
}

// Released returns the ids of the decisions that were released, in order.
func (f *Fake) Released() []string {
	f.sidecar.mu.Lock()
	defer f.sidecar.mu.Unlock()
	return slices.Clone(f.sidecar.released)
}

// Close plays a connection that was closed: from here on the app falls back.
func (f *Fake) Close() error {
	f.SetAway(true)
	return f.Client.Close()
}

// sidecar answers as one does that never forgets and never learns.
type sidecar struct {
	choose Chooser

	mu       sync.Mutex
	away     bool
	arms     map[string]string
	closed   map[string]bool
	rewards  []Reward
	released []string
}
