package learning

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningpb"
)

const (
	featuresMax       = 64
	costUSDMax        = 1e6
	maxLatencyMax     = 24 * time.Hour
	rewardDeadlineMax = 7 * 24 * time.Hour
)

var featureRange = interval{-1e12, 1e12}

// composer writes the messages of one workspace, and draws the line between a mistake in the program and bad data.
// Names are the program's: a wrong one is an error at once. Numbers are the data's: one that cannot be sent is logged
// and left out, because a NaN in a feature must not take the app down.
type composer struct {
	tenant, workspace string
	log               *sparseLog
}

// question is a request for one decision while its options are being applied.
type question struct {
	request  *learningpb.RecommendRequest
	context  Context
	ceilings CostCeilingsUSD
	onError  OnError
	log      *sparseLog
}

func (c composer) question(domain string, candidates []string, options []DecideOption) (*question, error) {
	if err := checkName("the domain", domain); err != nil {
		return nil, err
	}
	if err := checkCandidates(candidates); err != nil {
		return nil, err
	}
	q := &question{onError: OnErrorWorst, log: c.log, request: &learningpb.RecommendRequest{
		Tenant:    c.tenant,
		Workspace: c.workspace,
		Domain:    domain,
		// Always made here, never by the sidecar: a request that is tried again is then answered once.
		DecisionId: newID(),
	}}
	for _, arm := range candidates {
		q.request.Candidates = append(q.request.Candidates, &learningpb.Candidate{Arm: arm})
	}
	for _, option := range options {
		if err := option.apply(q); err != nil {
			return nil, err
		}
	}
	q.addFeatures()
	q.addCeilings()
	return q, nil
}

func (q *question) addFeatures() {
	q.request.Context = make(map[string]float64, min(len(q.context), featuresMax))
	// In order, so that of too many features always the same ones are sent.
	for _, name := range slices.Sorted(maps.Keys(q.context)) {
		value := q.context[name]
		switch {
		case len(q.request.Context) == featuresMax:
			q.log.note(context.Background(), "feature", "a context has too many features",
				"features", len(q.context), "sent", featuresMax)
			return
		case !isName(name):
			q.leaveOut("a feature that has no name", name)
		case !featureRange.contains(value):
			q.leaveOut("the feature "+name, value)
		default:
			q.request.Context[name] = value
		}
	}
}

func (q *question) addCeilings() {
	allowed := interval{0, costUSDMax}
	for _, candidate := range q.request.GetCandidates() {
		ceiling, given := q.ceilings[candidate.GetArm()]
		switch {
		case !given:
		case allowed.contains(ceiling):
			candidate.CostCeilingUsd = &ceiling
		default:
			q.leaveOut("the cost ceiling of "+candidate.GetArm(), ceiling)
		}
	}
}

func (q *question) leaveOut(what string, value any) {
	q.log.note(context.Background(), "number", "left out a value: it is not finite or out of range",
		"what", what, "value", value)
}

func (c composer) reward(ctx context.Context, domain, id string, signals Signals) *learningpb.RewardRequest {
	usable := make(Signals, len(signals))
	signals.keepUsable(ctx, usable, c.log)
	return &learningpb.RewardRequest{
		Tenant:     c.tenant,
		Workspace:  c.workspace,
		Domain:     domain,
		DecisionId: id,
		Signals:    usable.message(),
	}
}

func (c composer) release(domain, id string) *learningpb.ReleaseRequest {
	return &learningpb.ReleaseRequest{Tenant: c.tenant, Workspace: c.workspace, Domain: domain, DecisionId: id}
}

// newID makes a random UUID (RFC 9562, version 4), without its dashes.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the program instead
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id[:])
}
