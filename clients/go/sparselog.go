package learning

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const silence = time.Minute

// sparseLog cannot flood a log: it says each kind of thing at most once a minute at Warn, and else at Debug. A sidecar
// that is away would otherwise say so on every request.
type sparseLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu    sync.Mutex
	kinds map[string]*said
}

type said struct {
	silentUntil time.Time
	heldBack    int
}

// newSparseLog starts with nothing said. Without a logger it uses the app's default at the time.
func newSparseLog(logger *slog.Logger) *sparseLog {
	return &sparseLog{logger: logger, now: time.Now, kinds: map[string]*said{}}
}

func (l *sparseLog) note(ctx context.Context, kind, message string, attributes ...any) {
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	level := slog.LevelDebug
	due, heldBack := l.due(kind)
	if due {
		level = slog.LevelWarn
	}
	if heldBack > 0 {
		attributes = append(attributes, "held_back", heldBack)
	}
	logger.Log(ctx, level, "learning: "+message, attributes...)
}

// due says whether this kind may be said again, and how often it was held back since the last time.
func (l *sparseLog) due(kind string) (bool, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.kinds[kind]
	if known == nil {
		known = &said{}
		l.kinds[kind] = known
	}
	now := l.now()
	if now.Before(known.silentUntil) {
		known.heldBack++
		return false, 0
	}
	heldBack := known.heldBack
	*known = said{silentUntil: now.Add(silence)}
	return true, heldBack
}
