package learning_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

func answerWith(err error) func(context.Context, string) (string, error) {
	return func(_ context.Context, arm string) (string, error) { return "answer of " + arm, err }
}

func good(context.Context, string) (learning.Signals, error) {
	return learning.Signals{learning.Quality: 1}, nil
}

// Learn decides, acts, scores and reports; scoring is no part of the latency.
func TestLearn(t *testing.T) {
	fake := learningtest.New(learningtest.Last)
	slowly := func(context.Context, string) (learning.Signals, error) {
		time.Sleep(200 * time.Millisecond)
		return good(t.Context(), "")
	}

	learned, err := learning.Learn(t.Context(), fake.Client, "route", candidates, answerWith(nil), slowly)

	if err != nil || learned.Result != "answer of large" || learned.Decision.Arm != "large" {
		t.Errorf("got %+v, %v", learned, err)
	}
	signals := fake.Rewards()[0].Signals
	if learned.Report.Outcome != learning.Applied || signals[learning.Quality] != 1 || signals[learning.LatencyMS] > 150 {
		t.Errorf("got %+v, %v", learned.Report, signals)
	}
}

// The act's own error comes back unchanged, and is reported.
func TestLearnFails(t *testing.T) {
	fake := learningtest.New(nil)

	learned, err := learning.Learn(t.Context(), fake.Client, "route", candidates, answerWith(errModel), good)

	signals := fake.Rewards()[0].Signals
	if _, scored := signals[learning.Quality]; err != errModel || scored || signals[learning.Reward] != 0 {
		t.Errorf("got %v, %v", err, signals)
	}
	if learned.Report.Outcome != learning.Applied {
		t.Errorf("got %+v", learned.Report)
	}
}

// When nothing is affordable the act is not called.
func TestLearnRefused(t *testing.T) {
	fake := learningtest.New(func(string, []string, learning.Context) string { return "" })
	act := func(context.Context, string) (string, error) {
		t.Error("it was called")
		return "", nil
	}

	_, err := learning.Learn(t.Context(), fake.Client, "route", candidates, act, good)

	var refused *learning.RefusedError
	if !errors.As(err, &refused) || !refused.Decision.Refused || !strings.Contains(err.Error(), "route") {
		t.Errorf("got %v", err)
	}
}

// A scorer that fails costs its signals and not the result.
func TestLearnCannotScore(t *testing.T) {
	log := &logged{}
	fake := learningtest.New(nil, log.option())
	score := func(context.Context, string) (learning.Signals, error) {
		return nil, errors.New("the judge is asleep")
	}

	learned, err := learning.Learn(t.Context(), fake.Client, "route", candidates, answerWith(nil), score)

	if err != nil || learned.Result != "answer of small" || learned.Report.Outcome != learning.Applied {
		t.Errorf("got %+v, %v", learned, err)
	}
	if !strings.Contains(log.String(), "the judge is asleep") {
		t.Errorf("the log says:\n%s", log)
	}
}
