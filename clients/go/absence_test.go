package learning_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

func checkFallback(t *testing.T, decision learning.Decision) {
	t.Helper()
	if decision.Arm != "small" || decision.Source != learning.SourceFallback || !decision.Degraded ||
		decision.Recorded() || decision.Propensity != 1 || decision.Mode != learning.ModeUnspecified {
		t.Errorf("expected a fallback, got %+v", decision)
	}
}

// While nobody listens the first candidate is used, nothing is reported, and the log says so once.
func TestMissing(t *testing.T) {
	log := &logged{}
	client := connect(t, nowhere(t), log.option())
	for range 20 {
		act := decide(t, client)
		act.End(nil)
		checkFallback(t, act.Decision)
		if act.Report() != nil || act.AnswerMissed {
			t.Errorf("got %+v", act.Report())
		}
	}
	if said := strings.Count(log.String(), "first candidate"); said != 1 {
		t.Errorf("expected it to be said once, was %d times", said)
	}
}

// A sidecar that comes back at the same address is found by the same client.
func TestComesBack(t *testing.T) {
	address := nowhere(t)
	client := connect(t, address)
	checkFallback(t, decide(t, client).Decision)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, listener)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if decide(t, client).Source == learning.SourceLearned {
			return
		}
	}
	t.Error("it was never found")
}

// While the sidecar is away it is looked for often: gRPC's own patience would make 3 attempts in this time.
func TestReconnectsSoon(t *testing.T) {
	const attempts = 6
	dialled := closingAll(t)
	client := connect(t, dialled.address)
	for deadline := time.Now().Add(patience); dialled.count.Load() < attempts; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d attempts", dialled.count.Load())
		}
		checkFallback(t, decide(t, client).Decision)
	}
}

// While every call fails only the first one is tried again, so that a sidecar in trouble is not asked twice as much.
func TestRetriesAreThrottled(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	sidecar.fail(slices.Repeat([]error{status.Error(codes.Unavailable, "in trouble")}, 20)...)
	for range 10 {
		checkFallback(t, decide(t, client).Decision)
	}
	if calls := len(sidecar.received()); calls != 11 {
		t.Errorf("expected 11 calls for 10 decisions, got %d", calls)
	}
}

// A late answer costs the time-out and no more; the decision that it may have left behind is released.
func TestLate(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address, learning.WithTimeout(100*time.Millisecond))
	warm(t, client, sidecar)
	sidecar.slowly(400 * time.Millisecond)

	started := time.Now()
	act := decide(t, client)
	asked := time.Since(started)
	sidecar.slowly(0)
	act.Observe(learning.Signals{learning.Quality: 1})
	act.End(nil)

	checkFallback(t, act.Decision)
	if asked > 300*time.Millisecond {
		t.Errorf("asking took %s", asked)
	}
	if !act.AnswerMissed || act.Report() == nil || act.Report().Outcome != learning.Released {
		t.Errorf("expected the decision to be released, got %+v", act.Report())
	}
	came := sidecar.received()
	if release := came[len(came)-1].(*learningpb.ReleaseRequest); release.GetDecisionId() != act.ID {
		t.Errorf("released %v", release)
	}
}

// warm asks until the connection stands, so that a short time-out measures answers and not the way there.
func warm(t *testing.T, client *learning.Client, sidecar *scripted) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if decide(t, client).Source == learning.SourceLearned {
			return
		}
	}
	t.Fatalf("no answer from %s", sidecar.address)
}

// A deadline of the app that is shorter than the time-out is kept.
func TestAppIsInAHurry(t *testing.T) {
	sidecar := start(t)
	client := connect(t, sidecar.address)
	sidecar.slowly(300 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	started := time.Now()

	decision, err := client.Recommend(ctx, "route", candidates)

	if err != nil || time.Since(started) > 250*time.Millisecond {
		t.Errorf("got %v after %s", err, time.Since(started))
	}
	checkFallback(t, decision)
}

// A lost connection is tried again, once, with the same decision id; no other failure is.
func TestRetries(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "gone")
	cases := map[string]struct {
		failures []error
		calls    int
		source   learning.Source
	}{
		"unavailable once":   {[]error{unavailable}, 2, learning.SourceLearned},
		"unavailable twice":  {[]error{unavailable, unavailable}, 2, learning.SourceFallback},
		"resource exhausted": {[]error{status.Error(codes.ResourceExhausted, "full")}, 1, learning.SourceFallback},
		"internal":           {[]error{status.Error(codes.Internal, "bug")}, 1, learning.SourceFallback},
		"no status":          {[]error{errors.New("bug")}, 1, learning.SourceFallback},
	}
	for name, tried := range cases {
		t.Run(name, func(t *testing.T) {
			sidecar := start(t)
			sidecar.fail(tried.failures...)

			act := decide(t, connect(t, sidecar.address))

			came := sidecar.received()
			if act.Source != tried.source || len(came) != tried.calls {
				t.Fatalf("expected %s after %d calls, got %s after %d", tried.source, tried.calls, act.Source, len(came))
			}
			for _, request := range came {
				if id := request.(*learningpb.RecommendRequest).GetDecisionId(); id != act.ID {
					t.Errorf("asked for %s, decided %s", id, act.ID)
				}
			}
		})
	}
}

// An answer that is none of the candidates is not executed.
func TestStrangeAnswer(t *testing.T) {
	sidecar := start(t)
	sidecar.recommend = func(*learningpb.RecommendRequest) (*learningpb.RecommendResponse, error) {
		return &learningpb.RecommendResponse{Arm: "stranger", ExpiresAtUnixMs: 1}, nil
	}

	checkFallback(t, decide(t, connect(t, sidecar.address)).Decision)
}

// Words of a newer sidecar do not hinder this client.
func TestNewWords(t *testing.T) {
	sidecar := start(t)
	sidecar.recommend = func(request *learningpb.RecommendRequest) (*learningpb.RecommendResponse, error) {
		answer := chosen(request)
		answer.Source, answer.Mode = 99, 99
		return answer, nil
	}

	act := decide(t, connect(t, sidecar.address))

	if act.Arm != "large" || act.Source != "unspecified" || act.Mode != learning.ModeUnspecified {
		t.Errorf("got %+v", act.Decision)
	}
}

// After Close calls fall back, and closing again is no error.
func TestClosed(t *testing.T) {
	client := connect(t, start(t).address)
	for range 2 {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	act := decide(t, client)
	act.End(nil)

	checkFallback(t, act.Decision)
	if act.Report() != nil {
		t.Errorf("got %+v", act.Report())
	}
}
