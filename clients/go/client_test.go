package learning_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

// A decision tells everything that the sidecar answered.
func TestRecommendReadsTheAnswer(t *testing.T) {
	sidecar := start(t)
	sidecar.recommend = func(request *learningpb.RecommendRequest) (*learningpb.RecommendResponse, error) {
		answer := chosen(request)
		answer.Shields = []*learningpb.ShieldAction{{
			Shield: learningpb.Shield_SHIELD_LATENCY,
			Effect: learningpb.ShieldEffect_SHIELD_EFFECT_STEPPED_OVER,
			Arm:    "small",
		}}
		return answer, nil
	}

	decision, err := connect(t, sidecar.address).Recommend(t.Context(), "route", candidates)
	if err != nil {
		t.Fatal(err)
	}

	if decision.Arm != "large" || decision.Baseline != "small" || decision.Proposal != "large" {
		t.Errorf("arms: %+v", decision)
	}
	if decision.Source != learning.SourceLearned || decision.Mode != learning.ModeLive || decision.Propensity != 0.75 {
		t.Errorf("how it was chosen: %+v", decision)
	}
	if len(decision.ID) != 32 || !decision.Recorded() || decision.ExpiresAt.Year() != 2100 {
		t.Errorf("what is recorded: %+v", decision)
	}
	if decision.Policy != "thompson" || decision.StatisticsVersion != 7 || decision.ReservedUSD != 0.02 {
		t.Errorf("the rest: %+v", decision)
	}
	shielded := learning.ShieldAction{Shield: learning.ShieldLatency, Effect: learning.EffectSteppedOver, Arm: "small"}
	if len(decision.Shields) != 1 || decision.Shields[0] != shielded {
		t.Errorf("shields: %+v", decision.Shields)
	}
}

// All options of a decision reach the sidecar.
func TestRecommendSendsItsOptions(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address, learning.WithTenant("acme"), learning.WithWorkspace("chat"))
	_, err := client.Recommend(t.Context(), "route", candidates,
		learning.Context{"tokens": 812},
		learning.CostCeilingsUSD{"large": 0.02, "stranger": 1},
		learning.MaxLatency(1500*time.Millisecond),
		learning.RewardDeadline(time.Hour),
		learning.DecisionID("mine"))
	if err != nil {
		t.Fatal(err)
	}

	expected := &learningpb.RecommendRequest{
		Tenant: "acme", Workspace: "chat", Domain: "route", DecisionId: "mine",
		Candidates:       []*learningpb.Candidate{{Arm: "small"}, {Arm: "large", CostCeilingUsd: proto.Float64(0.02)}},
		Context:          map[string]float64{"tokens": 812},
		MaxLatencyMs:     proto.Float64(1500),
		RewardDeadlineMs: proto.Int64(3_600_000),
	}
	if got := sidecar.received()[0]; !proto.Equal(expected, got) {
		t.Errorf("expected %v, got %v", expected, got)
	}
}

// Numbers that cannot be sent are left out and logged; they are never an error.
func TestBadDataIsLeftOut(t *testing.T) {
	sidecar, log := start(t), &logged{}
	client := connect(t, sidecar.address, log.option())
	features := learning.Context{"nan": math.NaN(), "inf": math.Inf(1), "huge": 1e13, "": 1, "\xff": 1, "fine": 3}
	_, err := client.Recommend(t.Context(), "route", candidates,
		features,
		learning.CostCeilingsUSD{"small": math.Inf(1), "large": -1},
		learning.MaxLatency(-time.Second),
		learning.RewardDeadline(8*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	request := sidecar.received()[0].(*learningpb.RecommendRequest)
	if len(request.GetContext()) != 1 || request.GetContext()["fine"] != 3 {
		t.Errorf("features: %v", request.GetContext())
	}
	for _, candidate := range request.GetCandidates() {
		if candidate.CostCeilingUsd != nil {
			t.Errorf("ceiling: %v", candidate)
		}
	}
	if request.GetMaxLatencyMs() != 0.001 || request.RewardDeadlineMs != nil {
		t.Errorf("times: %v", request)
	}
	if strings.Count(log.String(), "left out") != 1 {
		t.Errorf("expected one warning a minute, got:\n%s", log)
	}
}

// Of too many features always the same 64 are sent.
func TestTooManyFeaturesAreCut(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	features := learning.Context{}
	for i := range 70 {
		features[fmt.Sprint("f", i)] = float64(i)
	}
	for range 2 {
		if _, err := client.Recommend(t.Context(), "route", candidates, features); err != nil {
			t.Fatal(err)
		}
	}

	came := sidecar.received()
	first, second := came[0].(*learningpb.RecommendRequest), came[1].(*learningpb.RecommendRequest)
	first.DecisionId = second.GetDecisionId()
	if len(first.GetContext()) != 64 || !proto.Equal(first, second) {
		t.Errorf("%d features, equal: %v", len(first.GetContext()), proto.Equal(first, second))
	}
}

// Mistakes of the program are errors at once, and nothing is sent.
func TestMistakes(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	long := strings.Repeat("x", 129)
	asking := func(domain string, candidates []string, options ...learning.DecideOption) func() error {
		return func() error {
			_, err := client.Decide(t.Context(), domain, candidates, options...)
			return err
		}
	}
	mistakes := map[string]func() error{
		"no candidates":   asking("route", nil),
		"one twice":       asking("route", []string{"a", "a"}),
		"too many":        asking("route", make([]string, 1001)),
		"no arm":          asking("route", []string{"a", ""}),
		"no domain":       asking("", candidates),
		"only spaces":     asking("  ", candidates),
		"long domain":     asking(long, candidates),
		"control":         asking("a\nb", candidates),
		"not utf-8":       asking("\xff", candidates),
		"id with a space": asking("route", candidates, learning.DecisionID("a b")),
		"id not ascii":    asking("route", candidates, learning.DecisionID("é")),
		"empty id":        asking("route", candidates, learning.DecisionID("")),
		"rule":            asking("route", candidates, learning.OnError("panic")),
		"reward": func() error {
			_, err := client.Reward(t.Context(), "route", "", nil)
			return err
		},
		"release": func() error {
			_, err := client.Release(t.Context(), "", "id")
			return err
		},
		"learn": func() error {
			_, err := learning.Learn[string](t.Context(), client, "route", nil, nil, nil)
			return err
		},
	}
	for name, mistake := range mistakes {
		t.Run(name, func(t *testing.T) {
			var misused *learning.UsageError
			if err := mistake(); !errors.As(err, &misused) || misused.Error() == "" {
				t.Errorf("expected a UsageError, got %v", err)
			}
		})
	}
	if len(sidecar.received()) != 0 {
		t.Errorf("something was sent: %v", sidecar.received())
	}
}

// A reward tells how it came about, and whether more will follow.
func TestReward(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	signals := learning.Signals{learning.Quality: 0.5, learning.CostUSD: -1, "mood": 1}

	report, err := client.Reward(t.Context(), "route", "mine", signals, learning.MoreToCome())
	if err != nil {
		t.Fatal(err)
	}

	expected := &learningpb.RewardRequest{
		Tenant: "default", Workspace: "main", Domain: "route", DecisionId: "mine", MoreToCome: true,
		Signals: &learningpb.Signals{Quality: proto.Float64(0.5)},
	}
	if got := sidecar.received()[0]; !proto.Equal(expected, got) {
		t.Errorf("expected %v, got %v", expected, got)
	}
	if report.Outcome != learning.Collected || *report.Reward != 0.5 || report.Missing[0] != "safety" {
		t.Errorf("got %+v", report)
	}
	part := learning.Contribution{Signal: learning.Quality, Value: 0.5, Normalized: 0.5, Weight: 1}
	if report.Arm != "large" || len(report.Breakdown) != 1 || report.Breakdown[0] != part {
		t.Errorf("got %+v", report)
	}
}

// Reports that get no answer are unsent, and say why.
func TestUnsent(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	refused := status.Error(codes.ResourceExhausted, "no room")
	sidecar.fail(refused, refused)

	rewarded, err := client.Reward(t.Context(), "route", "mine", learning.Signals{learning.Quality: 1})
	if err != nil || rewarded.Outcome != learning.Unsent || status.Code(rewarded.Reason) != codes.ResourceExhausted {
		t.Errorf("got %+v, %v", rewarded, err)
	}
	released, err := client.Release(t.Context(), "route", "mine")
	if err != nil || released.Outcome != learning.Unsent || released.Reason == nil {
		t.Errorf("got %+v, %v", released, err)
	}
}

// Goroutines share a client: each has its own decision, and all are reported.
func TestTogether(t *testing.T) {
	const times = 50
	sidecar := start(t)
	client := connect(t, sidecar.address)
	var blocks sync.WaitGroup
	for range times {
		blocks.Go(func() {
			act := decide(t, client)
			defer act.End(nil)
			act.Observe(learning.Signals{learning.Quality: 1})
		})
	}
	blocks.Wait()

	rewarded := map[string]bool{}
	for _, message := range sidecar.received() {
		if reward, is := message.(*learningpb.RewardRequest); is {
			rewarded[reward.GetDecisionId()] = true
		}
	}
	if len(rewarded) != times {
		t.Errorf("expected %d rewards of different decisions, got %d", times, len(rewarded))
	}
}
