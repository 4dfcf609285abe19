package learning_test

import (
	"context"
	"errors"
	"fmt"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

func ask(_ context.Context, model, question string) (string, error) {
	return fmt.Sprintf("%s says: %s", model, question), nil
}

// A function asks which model to use, uses it, and says how good the answer was.
func ExampleClient_Decide() {
	client := learningtest.New(learningtest.Last).Client // in an app: learning.New()
	handle := func(ctx context.Context, question string) (answer string, err error) {
		d, err := client.Decide(ctx, "route", []string{"small", "large"}, learning.Context{"tokens": 812})
		if err != nil {
			return "", err
		}
		defer d.End(&err)
		if d.Refused {
			return "", errors.New("no money is left")
		}
		answer, err = ask(ctx, d.Arm, question)
		d.Observe(learning.Signals{learning.Quality: 0.9, learning.CostUSD: 0.002})
		return answer, err
	}

	fmt.Println(handle(context.Background(), "hello"))
	// Output: large says: hello <nil>
}

// The same in one call: act with the arm, then score what came of it.
func ExampleLearn() {
	client := learningtest.New(nil).Client
	act := func(ctx context.Context, arm string) (string, error) { return ask(ctx, arm, "hello") }
	score := func(context.Context, string) (learning.Signals, error) {
		return learning.Signals{learning.Quality: 0.9}, nil
	}

	learned, err := learning.Learn(context.Background(), client, "route", []string{"small", "large"}, act, score)

	fmt.Println(learned.Result, learned.Report.Outcome, err)
	// Output: small says: hello applied <nil>
}

// Feedback that comes later is sent by the decision's id.
func ExampleAct_KeepOpen() {
	ctx, client := context.Background(), learningtest.New(nil).Client
	d, err := client.Decide(ctx, "route", []string{"small", "large"})
	if err != nil {
		fmt.Println(err)
		return
	}
	d.Observe(learning.Signals{learning.CostUSD: 0.002})
	d.KeepOpen()
	d.End(nil)

	later, err := client.Reward(ctx, "route", d.ID, learning.Signals{learning.Quality: 1}) // when the user has voted
	fmt.Println(d.Report().Outcome, later.Outcome, err)
	// Output: collected applied <nil>
}
