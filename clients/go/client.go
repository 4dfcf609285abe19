package learning

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

// A Client asks the sidecar which arm to use and reports what happened. Make one and keep it: it reuses one
// connection, and goroutines may share it.
type Client struct {
	stub    learningpb.LearningClient
	closing func() error
	timeout time.Duration
	headers metadata.MD
	compose composer
	log     *sparseLog
}

// New makes a client. The connection is made with the first call, and then reused. The error is a mistake in the
// program or its configuration, a [*UsageError]; that the sidecar is missing is none.
func New(options ...Option) (*Client, error) {
	chosen, err := configure(options)
	if err != nil {
		return nil, err
	}
	conn, closing, err := chosen.connect()
	if err != nil {
		return nil, err
	}
	log := newSparseLog(chosen.logger)
	return &Client{
		stub:    learningpb.NewLearningClient(conn),
		closing: sync.OnceValue(closing),
		timeout: chosen.timeout,
		headers: chosen.headers,
		compose: composer{tenant: chosen.tenant, workspace: chosen.workspace, log: log},
		log:     log,
	}, nil
}

// Decide asks which of the candidates to use, and times and reports the act until [Act.End]:
//
//	d, err := client.Decide(ctx, "route", []string{"small", "large"})
//	if err != nil {
//		return err
//	}
//	defer d.End(&err)
//
// The domain is the kind of decision, such as "route" or "prompt". The candidates are 1 to 1,000 arms, each once; the
// first is the baseline: what the app would do without learning. The error is always a [*UsageError]. Without a usable
// answer the act has the first candidate, and its Source is [SourceFallback].
func (c *Client) Decide(ctx context.Context, domain string, candidates []string, options ...DecideOption) (*Act, error) {
	asked, err := c.compose.question(domain, candidates, options)
	if err != nil {
		return nil, err
	}
	return newAct(ctx, c, c.ask(ctx, asked.request), asked.onError), nil
}

// Recommend asks for a decision without timing or reporting anything: report with [Client.Reward], or give it back
// with [Client.Release]. Otherwise it is as [Client.Decide].
func (c *Client) Recommend(
	ctx context.Context, domain string, candidates []string, options ...RecommendOption,
) (Decision, error) {
	also := make([]DecideOption, len(options))
	for i, option := range options {
		also[i] = option
	}
	asked, err := c.compose.question(domain, candidates, also)
	if err != nil {
		return Decision{}, err
	}
	return c.ask(ctx, asked.request), nil
}

// Reward reports what happened after a decision. It is idempotent: the first final report counts, later ones are
// answered [Duplicate]. When the sidecar does not answer in time the outcome is [Unsent], and sending it again is safe.
// The error is always a [*UsageError]: the id or the domain is not allowed.
func (c *Client) Reward(
	ctx context.Context, domain, decisionID string, signals Signals, options ...RewardOption,
) (Report, error) {
	if err := checkDecision(domain, decisionID); err != nil {
		return Report{}, err
	}
	request := c.compose.reward(ctx, domain, decisionID, signals)
	for _, option := range options {
		option(request)
	}
	return c.reward(ctx, request), nil
}

// Release declares that the act never took place: the reserved money is given back and nothing is learned. It is
// idempotent, and takes and gives errors as [Client.Reward] does.
func (c *Client) Release(ctx context.Context, domain, decisionID string) (Report, error) {
	if err := checkDecision(domain, decisionID); err != nil {
		return Report{}, err
	}
	return c.release(ctx, c.compose.release(domain, decisionID)), nil
}

// Close gives up the connection. Later calls fall back as if nobody listened. Only the first Close counts.
func (c *Client) Close() error {
	return c.closing()
}

func (c *Client) ask(ctx context.Context, request *learningpb.RecommendRequest) Decision {
	answer, err := send(ctx, c, c.stub.Recommend, request)
	if err == nil {
		err = checkAnswer(request, answer)
	}
	if err != nil {
		c.log.note(ctx, "fallback", "no decision, so the first candidate is used",
			"domain", request.GetDomain(), "arm", baseline(request), "error", err)
		return fallback(request, err)
	}
	return readDecision(request, answer)
}

func (c *Client) reward(ctx context.Context, request *learningpb.RewardRequest) Report {
	answer, err := send(ctx, c, c.stub.Reward, request)
	if err != nil {
		c.log.note(ctx, "unsent", "the reward of a decision is lost",
			"domain", request.GetDomain(), "decision_id", request.GetDecisionId(), "error", err)
		return unsent(err)
	}
	report := readReward(answer)
	if report.Outcome == Late || report.Outcome == Unknown {
		c.log.note(ctx, "uncounted", "the reward of a decision does not count", "outcome", string(report.Outcome),
			"domain", request.GetDomain(), "decision_id", request.GetDecisionId())
	}
	return report
}

func (c *Client) release(ctx context.Context, request *learningpb.ReleaseRequest) Report {
	answer, err := send(ctx, c, c.stub.Release, request)
	if err != nil {
		c.log.note(ctx, "unsent", "a decision was not released",
			"domain", request.GetDomain(), "decision_id", request.GetDecisionId(), "error", err)
		return unsent(err)
	}
	return Report{Outcome: word[Outcome](learningpb.ReleaseOutcome_name, int32(answer.GetOutcome()), "RELEASE_OUTCOME_")}
}
