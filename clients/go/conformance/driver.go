package main

import (
	"context"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

// driver keeps the clients that were opened, by their names in orders.
type driver struct {
	clients map[string]*learning.Client
	fakes   map[string]*learningtest.Fake
}

func newDriver() *driver {
	return &driver{clients: map[string]*learning.Client{}, fakes: map[string]*learningtest.Fake{}}
}

type empty struct{}

type openOrder struct {
	header
	Address   *string           `json:"address"`
	TimeoutMS *number           `json:"timeout_ms"`
	Tenant    *string           `json:"tenant"`
	Workspace *string           `json:"workspace"`
	Token     *string           `json:"token"`
	Headers   map[string]string `json:"headers"`
	TLS       *struct {
		CA   string `json:"ca"`
		Cert string `json:"cert"`
		Key  string `json:"key"`
	} `json:"tls"`
}

func (d *driver) open(order openOrder) (any, error) {
	options, err := order.options()
	if err != nil {
		return nil, err
	}
	client, err := learning.New(options...)
	if err != nil {
		return nil, err
	}
	d.clients[order.Client] = client
	return empty{}, nil
}

func (o openOrder) options() ([]learning.Option, error) {
	var options []learning.Option
	texts := []struct {
		given  *string
		option func(string) learning.Option
	}{
		{o.Address, learning.WithAddress},
		{o.Tenant, learning.WithTenant},
		{o.Workspace, learning.WithWorkspace},
		{o.Token, learning.WithToken},
	}
	for _, text := range texts {
		if text.given != nil {
			options = append(options, text.option(*text.given))
		}
	}
	for name, value := range o.Headers {
		options = append(options, learning.WithHeader(name, value))
	}
	if o.TLS != nil {
		options = append(options, learning.WithTLS(o.TLS.CA))
		if o.TLS.Cert != "" || o.TLS.Key != "" {
			options = append(options, learning.WithClientCertificate(o.TLS.Cert, o.TLS.Key))
		}
	}
	if o.TimeoutMS != nil {
		timeout, err := o.TimeoutMS.duration()
		if err != nil {
			return nil, err
		}
		options = append(options, learning.WithTimeout(timeout))
	}
	return options, nil
}

type fakeOrder struct {
	header
	Choose string `json:"choose"`
}

func (d *driver) fake(order fakeOrder) (any, error) {
	choosers := map[string]learningtest.Chooser{"": nil, "first": learningtest.First, "last": learningtest.Last}
	choose, known := choosers[order.Choose]
	if !known {
		return nil, &unsupportedError{"the chooser " + order.Choose}
	}
	fake := learningtest.New(choose)
	d.clients[order.Client], d.fakes[order.Client] = fake.Client, fake
	return empty{}, nil
}

type fakeAwayOrder struct {
	header
	Away bool `json:"away"`
}

func (d *driver) fakeAway(order fakeAwayOrder) (any, error) {
	fake, known := d.fakes[order.Client]
	if !known {
		return nil, &unsupportedError{"no fake is called " + order.Client}
	}
	fake.SetAway(order.Away)
	return empty{}, nil
}

type fakeReward struct {
	Domain  string           `json:"domain"`
	Arm     string           `json:"arm"`
	Signals learning.Signals `json:"signals"`
}

func (d *driver) fakeRewards(order header) (any, error) {
	fake, known := d.fakes[order.Client]
	if !known {
		return nil, &unsupportedError{"no fake is called " + order.Client}
	}
	came := []fakeReward{}
	for _, reward := range fake.Rewards() {
		came = append(came, fakeReward{Domain: reward.Domain, Arm: reward.Arm, Signals: reward.Signals})
	}
	return map[string]any{"rewards": came}, nil
}

type rewardOrder struct {
	header
	DecisionID string             `json:"decision_id"`
	Domain     string             `json:"domain"`
	Signals    map[string]*number `json:"signals"`
	MoreToCome bool               `json:"more_to_come"`
}

func (d *driver) reward(order rewardOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	var options []learning.RewardOption
	if order.MoreToCome {
		options = append(options, learning.MoreToCome())
	}
	signals := numbers[learning.Signal](order.Signals)
	report, err := client.Reward(context.Background(), order.Domain, order.DecisionID, signals, options...)
	if err != nil {
		return nil, err
	}
	return rewardSeen{seenReport: sawReport(report), Arm: report.Arm, Missing: append([]string{}, report.Missing...)}, nil
}

type releaseOrder struct {
	header
	DecisionID string `json:"decision_id"`
	Domain     string `json:"domain"`
}

func (d *driver) release(order releaseOrder) (any, error) {
	client, err := d.client(order.header)
	if err != nil {
		return nil, err
	}
	report, err := client.Release(context.Background(), order.Domain, order.DecisionID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"outcome": report.Outcome}, nil
}

func (d *driver) close(order header) (any, error) {
	if fake, known := d.fakes[order.Client]; known {
		return empty{}, fake.Close()
	}
	client, err := d.client(order)
	if err != nil {
		return nil, err
	}
	return empty{}, client.Close()
}

func (d *driver) client(order header) (*learning.Client, error) {
	client, known := d.clients[order.Client]
	if !known {
		return nil, &unsupportedError{"no client is called " + order.Client}
	}
	return client, nil
}
