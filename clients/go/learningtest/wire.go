package learningtest

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

const expiresAtUnixMS = 4_102_444_800_000 // the year 2100: a fake does not forget

// wire is a connection that ends in memory.
type wire struct{ sidecar *sidecar }

// Invoke answers one call.
func (w wire) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	answer, err := w.sidecar.answer(method, request)
	if err == nil {
		proto.Merge(reply.(proto.Message), answer)
	}
	return err
}

// NewStream refuses: the API has no streams.
func (wire) NewStream(
	_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return nil, unimplemented(method)
}

func unimplemented(method string) error {
	return status.Errorf(codes.Unimplemented, "the fake does not answer %s", method)
}

func (s *sidecar) answer(method string, request any) (proto.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, status.Error(codes.Unavailable, "the fake is away")
	}
	switch request := request.(type) {
	case *learningpb.RecommendRequest:
		return s.recommend(request), nil
	case *learningpb.RewardRequest:
		return s.reward(request), nil
	case *learningpb.ReleaseRequest:
		return s.release(request), nil
	}
	return nil, unimplemented(method)
}

func (s *sidecar) recommend(request *learningpb.RecommendRequest) proto.Message {
	candidates := make([]string, len(request.GetCandidates()))
	for i, candidate := range request.GetCandidates() {
		candidates[i] = candidate.GetArm()
	}
	arm, replay := s.arms[request.GetDecisionId()]
	source := learningpb.Source_SOURCE_REPLAY
	if !replay {
		arm = s.choose(request.GetDomain(), candidates, request.GetContext())
		source = learningpb.Source_SOURCE_LEARNED
	}
	if arm == "" {
		return &learningpb.RecommendResponse{
			Outcome:  learningpb.RecommendOutcome_RECOMMEND_OUTCOME_REFUSED,
			Baseline: candidates[0],
		}
	}
	if !slices.Contains(candidates, arm) {
		panic(fmt.Sprintf("learningtest: the chooser gave %q, which is not one of the candidates %q", arm, candidates))
	}
	s.arms[request.GetDecisionId()] = arm
	return &learningpb.RecommendResponse{
		Arm:             arm,
		Outcome:         learningpb.RecommendOutcome_RECOMMEND_OUTCOME_CHOSEN,
		DecisionId:      request.GetDecisionId(),
		Propensity:      1,
		Baseline:        candidates[0],
		Proposal:        arm,
		Mode:            learningpb.Mode_MODE_UNGATED,
		Source:          source,
		ExpiresAtUnixMs: expiresAtUnixMS,
		Policy:          "fake",
	}
}

func (s *sidecar) reward(request *learningpb.RewardRequest) proto.Message {
	id := request.GetDecisionId()
	arm, known := s.arms[id]
	s.rewards = append(s.rewards, Reward{
		Domain:     request.GetDomain(),
		DecisionID: id,
		Arm:        arm,
		Signals:    signals(request.GetSignals()),
		MoreToCome: request.GetMoreToCome(),
	})
	switch {
	case !known:
		return &learningpb.RewardResponse{Outcome: learningpb.RewardOutcome_REWARD_OUTCOME_UNKNOWN}
	case s.closed[id]:
		return &learningpb.RewardResponse{Outcome: learningpb.RewardOutcome_REWARD_OUTCOME_DUPLICATE}
	case request.GetMoreToCome():
		return &learningpb.RewardResponse{Outcome: learningpb.RewardOutcome_REWARD_OUTCOME_COLLECTED}
	}
	s.closed[id] = true
	return &learningpb.RewardResponse{
		Outcome: learningpb.RewardOutcome_REWARD_OUTCOME_APPLIED,
		Reward:  request.GetSignals().Reward,
		Arm:     arm,
	}
}

func (s *sidecar) release(request *learningpb.ReleaseRequest) proto.Message {
	id := request.GetDecisionId()
	outcome := learningpb.ReleaseOutcome_RELEASE_OUTCOME_RELEASED
	switch _, known := s.arms[id]; {
	case !known:
		outcome = learningpb.ReleaseOutcome_RELEASE_OUTCOME_UNKNOWN
	case s.closed[id]:
		outcome = learningpb.ReleaseOutcome_RELEASE_OUTCOME_ALREADY_CLOSED
	default:
		s.closed[id] = true
		s.released = append(s.released, id)
	}
	return &learningpb.ReleaseResponse{Outcome: outcome}
}

// signals lists what a message has set; its fields have the names of the signals.
func signals(message *learningpb.Signals) learning.Signals {
	set := learning.Signals{}
	message.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		set[learning.Signal(field.Name())] = value.Float()
		return true
	})
	return set
}
