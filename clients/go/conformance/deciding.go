package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/propagation"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

// asking is what `recommend` and `decide` have in common.
type asking struct {
	header
	Domain           string             `json:"domain"`
	Candidates       []string           `json:"candidates"`
	Context          map[string]*number `json:"context"`
	CostCeilingsUSD  map[string]*number `json:"cost_ceilings_usd"`
	MaxLatencyMS     *number            `json:"max_latency_ms"`
	RewardDeadlineMS *number            `json:"reward_deadline_ms"`
	DecisionID       *string            `json:"decision_id"`
	Traceparent      string             `json:"traceparent"`
}

func (a asking) options() []learning.RecommendOption {
	var options []learning.RecommendOption
	if a.Context != nil {
		options = append(options, learning.Context(numbers[string](a.Context)))
	}
	if a.CostCeilingsUSD != nil {
		options = append(options, learning.CostCeilingsUSD(numbers[string](a.CostCeilingsUSD)))
	}
	if a.MaxLatencyMS != nil {
		if limit, err := a.MaxLatencyMS.duration(); err == nil {
			options = append(options, learning.MaxLatency(limit))
		}
	}
	if a.RewardDeadlineMS != nil {
		if deadline, err := a.RewardDeadlineMS.duration(); err == nil {
			options = append(options, learning.RewardDeadline(deadline))
		}
	}
	if a.DecisionID != nil {
		options = append(options, learning.DecisionID(*a.DecisionID))
	}
	return options
}

// within gives the context of OpenTelemetry that the order asks for.
func (a asking) within() context.Context {
	carrier := propagation.MapCarrier{"traceparent": a.Traceparent}
	return propagation.TraceContext{}.Extract(context.Background(), carrier)
}

type recommendOrder struct {
	asking
	Times int `json:"times"`
}

func (d *driver) recommend(order recommendOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	var seen *seenDecision
	for range max(1, order.Times) {
		started := time.Now()
		decision, err := client.Recommend(order.within(), order.Domain, order.Candidates, order.options()...)
		if err != nil {
			return nil, err
		}
		seen = sawDecision(decision, time.Since(started))
	}
	return seen, nil
}

type decideOrder struct {
	asking
	OnError *string `json:"on_error"`
	Act     act     `json:"act"`
}

func (o decideOrder) options() []learning.DecideOption {
	var options []learning.DecideOption
	for _, option := range o.asking.options() {
		options = append(options, option)
	}
	if o.OnError != nil {
		options = append(options, learning.OnError(*o.OnError))
	}
	return options
}

func (d *driver) decide(order decideOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	return order.decide(client)
}

func (o decideOrder) decide(client *learning.Client) (*seenDecision, error) {
	ctx, cancel := context.WithCancel(o.within())
	defer cancel()
	started := time.Now()
	deciding, err := client.Decide(ctx, o.Domain, o.Candidates, o.options()...)
	if err != nil {
		return nil, err
	}
	seen := sawDecision(deciding.Decision, time.Since(started))
	failure := o.Act.inside(ctx, cancel, deciding)
	return seen.reported(!deciding.Refused, o.Act.raised(failure), deciding.Report()), nil
}

func (d *driver) learn(order decideOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	if order.Act.KeepOpen {
		return nil, &unsupportedError{"learn cannot keep a decision open"}
	}
	ctx, cancel := context.WithCancel(order.within())
	defer cancel()
	started := time.Now()
	var asked time.Duration
	acted := false
	perform := func(ctx context.Context, _ string) (string, error) {
		asked, acted = time.Since(started), true
		return "result", order.Act.perform(ctx, cancel)
	}
	score := func(context.Context, string) (learning.Signals, error) { return order.Act.signals(), nil }
	learned, err := learning.Learn(ctx, client, order.Domain, order.Candidates, perform, score, order.options()...)
	var misused *learning.UsageError
	if errors.As(err, &misused) {
		return nil, err
	}
	return sawDecision(learned.Decision, asked).reported(acted, order.Act.raised(err), learned.Report), nil
}

type togetherOrder struct {
	decideOrder
	Times int `json:"times"`
}

func (d *driver) together(order togetherOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	decisions := make([]*seenDecision, order.Times)
	mistakes := make([]error, order.Times)
	var blocks sync.WaitGroup
	for i := range order.Times {
		blocks.Go(func() { decisions[i], mistakes[i] = order.decide(client) })
	}
	blocks.Wait()
	return map[string]any{"decisions": decisions}, errors.Join(mistakes...)
}
