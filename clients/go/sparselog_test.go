package learning

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Each kind is said once a minute, with how often it was held back in between.
func TestSparseLog(t *testing.T) {
	var text bytes.Buffer
	now := time.Now()
	log := newSparseLog(slog.New(slog.NewTextHandler(&text, nil)))
	log.now = func() time.Time { return now }
	for range 3 {
		log.note(t.Context(), "fallback", "no decision")
	}
	log.note(t.Context(), "signal", "dropped")
	now = now.Add(silence)
	log.note(t.Context(), "fallback", "no decision")

	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "dropped") || !strings.HasSuffix(lines[2], "held_back=2") {
		t.Errorf("got:\n%s", text.String())
	}
}

// Without a logger of its own it uses the default that is set when it has something to say.
func TestSparseLogUsesTheDefault(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	log := newSparseLog(nil)
	var text bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	log.note(t.Context(), "fallback", "no decision")

	if !strings.Contains(text.String(), "level=WARN") {
		t.Errorf("got: %s", text.String())
	}
}
