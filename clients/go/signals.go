package learning

import (
	"context"
	"math"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

// Signal names something that is observed about an act.
type Signal string

// The signals; the domain declares how they make one reward.
const (
	// Reward is the reward itself, 0 to 1. When given it is taken as it is; the others then only feed averages and
	// budgets.
	Reward Signal = "reward"
	// Quality is how good the result was, within the domain's declared range (0 to 1 unless declared).
	Quality Signal = "quality"
	// Groundedness is how well the result is supported by its sources, within the declared range.
	Groundedness Signal = "groundedness"
	// Safety is how safe the result was, within the declared range.
	Safety Signal = "safety"
	// CostUSD is what the act cost, in US dollars, 0 to 1,000,000.
	CostUSD Signal = "cost_usd"
	// LatencyMS is how long the act took, in milliseconds, 0 to 86,400,000. An [Act] measures it, unless it is given.
	LatencyMS Signal = "latency_ms"
)

// Signals are what was observed about an act.
type Signals map[Signal]float64

const latencyMSMax = 86_400_000

type interval struct{ low, high float64 }

func (i interval) contains(value float64) bool {
	return !math.IsNaN(value) && !math.IsInf(value, 0) && i.low <= value && value <= i.high
}

// anyNumber is the range of what only has to be finite.
var anyNumber = interval{-math.MaxFloat64, math.MaxFloat64}

var signalRanges = map[Signal]interval{
	Reward: {0, 1},
	// The domain declares the range of these three; the client only knows that they are finite.
	Quality:      anyNumber,
	Groundedness: anyNumber,
	Safety:       anyNumber,
	CostUSD:      {0, costUSDMax},
	LatencyMS:    {0, latencyMSMax},
}

// keepUsable adds what can be sent to kept, and logs and drops the rest.
func (s Signals) keepUsable(ctx context.Context, kept Signals, log *sparseLog) {
	for name, value := range s {
		if allowed, exists := signalRanges[name]; exists && allowed.contains(value) {
			kept[name] = value
			continue
		}
		log.note(ctx, "signal", "dropped a signal: it is unknown or out of range", "signal", string(name), "value", value)
	}
}

// message gives usable signals as they are sent.
func (s Signals) message() *learningpb.Signals {
	message := &learningpb.Signals{}
	fields := map[Signal]**float64{
		Reward:       &message.Reward,
		Quality:      &message.Quality,
		Groundedness: &message.Groundedness,
		Safety:       &message.Safety,
		CostUSD:      &message.CostUsd,
		LatencyMS:    &message.LatencyMs,
	}
	for name, value := range s {
		*fields[name] = &value
	}
	return message
}
