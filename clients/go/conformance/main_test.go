package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// ask gives orders to a fresh driver, and returns its answers.
func ask(t *testing.T, orders ...string) []map[string]any {
	t.Helper()
	var told bytes.Buffer
	if err := serve(strings.NewReader(strings.Join(orders, "\n")), &told); err != nil {
		t.Fatal(err)
	}
	var answers []map[string]any
	for decoder := json.NewDecoder(&told); decoder.More(); {
		var answer map[string]any
		if err := decoder.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(orders) {
		t.Fatalf("expected %d answers, got %v", len(orders), answers)
	}
	return answers
}

// Each order is answered by its id, with what an app of the client sees.
func TestDecide(t *testing.T) {
	answers := ask(t,
		`{"id": 1, "op": "fake", "client": "app", "choose": "last"}`,
		`{"id": "b", "op": "decide", "client": "app", "domain": "route", "candidates": ["small", "large"], `+
			`"context": {"tokens": "nan"}, "max_latency_ms": "inf", "on_error": "worst", `+
			`"act": {"sleep_ms": 1, "observe": [{"quality": 1, "safety": null}, {"cost_usd": "-inf"}], "raise": "error"}}`,
		`{"id": 3, "op": "fake_rewards", "client": "app"}`,
	)
	decision := answers[1]["ok"].(map[string]any)
	report := decision["report"].(map[string]any)
	if answers[1]["id"] != "b" || decision["arm"] != "large" || decision["raised"] != true || report["reward"] != 0.0 {
		t.Errorf("got %v", answers[1])
	}
	rewards := answers[2]["ok"].(map[string]any)["rewards"].([]any)
	signals := rewards[0].(map[string]any)["signals"].(map[string]any)
	if len(signals) != 3 || signals["quality"] != 1.0 || signals["reward"] != 0.0 || signals["latency_ms"].(float64) < 1 {
		t.Errorf("got %v", signals)
	}
}

// What would not compile, and what the client refuses, is a mistake; what the driver does not know is unsupported.
func TestMistakesAndUnsupported(t *testing.T) {
	cases := map[string]string{
		`{"id": 1, "op": "decide", "client": "app", "domain": "route", "candidates": []}`:                      "mistake",
		`{"id": 1, "op": "decide", "client": "app", "domain": "route", "candidates": "small"}`:                 "mistake",
		`{"id": 1, "op": "decide", "client": "app", "domain": "route", "candidates": ["a"], "on_error": "no"}`: "mistake",
		`{"id": 1, "op": "open", "client": "second", "timeout_ms": "nan"}`:                                     "mistake",
		`{"id": 1, "op": "learn", "client": "app", "domain": "route", "candidates": ["a", "a"]}`:               "mistake",
		`{"id": 1, "op": "together", "client": "app", "times": 2, "domain": "", "candidates": ["a"]}`:          "mistake",
		`{"id": 1, "op": "recommend", "client": "app", "domain": "route", "candidates": ["a"], "act": {}}`:     "unsupported",
		`{"id": 1, "op": "recommend", "client": "stranger", "domain": "route", "candidates": ["a"]}`:           "unsupported",
		`{"id": 1, "op": "dance"}`: "unsupported",
	}
	for order, expected := range cases {
		answers := ask(t, `{"id": 0, "op": "fake", "client": "app"}`, order)
		if text, told := answers[1][expected].(string); !told || text == "" {
			t.Errorf("expected %s of %s, got %v", expected, order, answers[1])
		}
	}
}
