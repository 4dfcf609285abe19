package learning_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

const patience = 5 * time.Second

var candidates = []string{"small", "large"}

// scripted is a sidecar that chooses the last candidate, and does what a test tells it to. It keeps what came.
type scripted struct {
	learningpb.UnimplementedLearningServer
	address string

	mu        sync.Mutex
	recommend func(*learningpb.RecommendRequest) (*learningpb.RecommendResponse, error)
	failures  []error // of the next calls
	delay     time.Duration
	came      []proto.Message
	headers   []metadata.MD
}

// start serves on a free port of loopback until the test ends.
func start(t *testing.T, options ...grpc.ServerOption) *scripted {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, listener, options...)
}

func serve(t *testing.T, listener net.Listener, options ...grpc.ServerOption) *scripted {
	t.Helper()
	sidecar := &scripted{address: listener.Addr().String()}
	server := grpc.NewServer(append(options, grpc.Creds(insecure.NewCredentials()))...)
	if len(options) > 0 {
		server = grpc.NewServer(options...)
	}
	learningpb.RegisterLearningServer(server, sidecar)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return sidecar
}

// slowly answers everything so much later.
func (s *scripted) slowly(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
}

// fail gives the next calls these errors.
func (s *scripted) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = errs
}

// received lists the requests that came, without the headers.
func (s *scripted) received() []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]proto.Message(nil), s.came...)
}

func (s *scripted) lastHeaders() metadata.MD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers[len(s.headers)-1]
}

func (s *scripted) take(ctx context.Context, request proto.Message) error {
	s.mu.Lock()
	headers, _ := metadata.FromIncomingContext(ctx)
	s.came, s.headers = append(s.came, request), append(s.headers, headers)
	var err error
	if len(s.failures) > 0 {
		err, s.failures = s.failures[0], s.failures[1:]
	}
	delay := s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	return err
}

func (s *scripted) Recommend(
	ctx context.Context, request *learningpb.RecommendRequest,
) (*learningpb.RecommendResponse, error) {
	if err := s.take(ctx, request); err != nil {
		return nil, err
	}
	if s.recommend != nil {
		return s.recommend(request)
	}
	return chosen(request), nil
}

// chosen is the answer of a sidecar that learned to take the last candidate.
func chosen(request *learningpb.RecommendRequest) *learningpb.RecommendResponse {
	arms := request.GetCandidates()
	return &learningpb.RecommendResponse{
		Arm:               arms[len(arms)-1].GetArm(),
		Outcome:           learningpb.RecommendOutcome_RECOMMEND_OUTCOME_CHOSEN,
		DecisionId:        request.GetDecisionId(),
		Propensity:        0.75,
		Baseline:          arms[0].GetArm(),
		Proposal:          arms[len(arms)-1].GetArm(),
		Mode:              learningpb.Mode_MODE_LIVE,
		Source:            learningpb.Source_SOURCE_LEARNED,
		ExpiresAtUnixMs:   4_102_444_800_000,
		Policy:            "thompson",
		StatisticsVersion: 7,
		ReservedUsd:       0.02,
	}
}

func (s *scripted) Reward(ctx context.Context, request *learningpb.RewardRequest) (*learningpb.RewardResponse, error) {
	if err := s.take(ctx, request); err != nil {
		return nil, err
	}
	outcome := learningpb.RewardOutcome_REWARD_OUTCOME_APPLIED
	if request.GetMoreToCome() {
		outcome = learningpb.RewardOutcome_REWARD_OUTCOME_COLLECTED
	}
	return &learningpb.RewardResponse{
		Outcome:   outcome,
		Reward:    proto.Float64(request.GetSignals().GetQuality()),
		Arm:       "large",
		Breakdown: []*learningpb.Contribution{{Signal: "quality", Value: 0.5, Normalized: 0.5, Weight: 1}},
		Missing:   []string{"safety"},
	}, nil
}

func (s *scripted) Release(ctx context.Context, request *learningpb.ReleaseRequest) (*learningpb.ReleaseResponse, error) {
	if err := s.take(ctx, request); err != nil {
		return nil, err
	}
	return &learningpb.ReleaseResponse{Outcome: learningpb.ReleaseOutcome_RELEASE_OUTCOME_RELEASED}, nil
}

// connect makes a client of the sidecar that is patient, and closes it when the test ends.
func connect(t *testing.T, address string, options ...learning.Option) *learning.Client {
	t.Helper()
	usual := []learning.Option{learning.WithAddress(address), learning.WithTimeout(patience), learning.WithLogger(quiet())}
	client, err := learning.New(append(usual, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func decide(t *testing.T, client *learning.Client, options ...learning.DecideOption) *learning.Act {
	t.Helper()
	act, err := client.Decide(t.Context(), "route", candidates, options...)
	if err != nil {
		t.Fatal(err)
	}
	return act
}

// logged keeps what a client logs as text.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) option() learning.Option {
	return learning.WithLogger(slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// nowhere is an address where nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// closer counts who connects, and hangs up.
type closer struct {
	address string
	count   atomic.Int32
}

func closingAll(t *testing.T) *closer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	hangsUp := &closer{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			hangsUp.count.Add(1)
			_ = conn.Close()
		}
	}()
	return hangsUp
}
