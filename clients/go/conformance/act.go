package main

import (
	"context"
	"errors"
	"maps"
	"time"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

// act is what happens inside a block.
type act struct {
	SleepMS  number               `json:"sleep_ms"`
	Observe  []map[string]*number `json:"observe"`
	KeepOpen bool                 `json:"keep_open"`
	Raise    string               `json:"raise"`
}

var errApp = errors.New("the app's own failure")

// inside acts as an app does, unless the decision was refused.
func (a act) inside(ctx context.Context, cancel context.CancelFunc, deciding *learning.Act) (err error) {
	defer deciding.End(&err)
	if deciding.Refused {
		return nil
	}
	a.sleep()
	for _, signals := range a.Observe {
		deciding.Observe(numbers[learning.Signal](signals))
	}
	if a.KeepOpen {
		deciding.KeepOpen()
	}
	return a.fail(ctx, cancel)
}

// perform is the part of an act that does not know its decision.
func (a act) perform(ctx context.Context, cancel context.CancelFunc) error {
	a.sleep()
	return a.fail(ctx, cancel)
}

func (a act) sleep() {
	time.Sleep(time.Duration(float64(a.SleepMS) * float64(time.Millisecond)))
}

func (a act) fail(ctx context.Context, cancel context.CancelFunc) error {
	switch a.Raise {
	case "error":
		return errApp
	case "cancel":
		cancel()
		return ctx.Err()
	}
	return nil
}

// signals are all that is observed, as a scorer gives it.
func (a act) signals() learning.Signals {
	scored := learning.Signals{}
	for _, signals := range a.Observe {
		maps.Copy(scored, numbers[learning.Signal](signals))
	}
	return scored
}

// raised says whether what came out of the block is what the act failed with.
func (a act) raised(failure error) bool {
	switch a.Raise {
	case "error":
		return failure == errApp // unchanged means that it was not wrapped either
	case "cancel":
		return failure == context.Canceled // likewise
	}
	return false
}
