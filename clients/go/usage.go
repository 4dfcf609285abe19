package learning

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	nameLengthMax = 128
	candidatesMax = 1_000
)

// A UsageError is a mistake in the program: a name that is no name, no candidates, one twice. It says so at once, before
// anything is sent. Data is never an error: a number that cannot be sent is logged and left out.
type UsageError struct {
	// What is wrong, such as "candidates".
	What string
	// Problem says in what way.
	Problem string
	// Cause is the error behind it; nil if there is none.
	Cause error
}

// Error says what is wrong, and in what way.
func (e *UsageError) Error() string {
	return fmt.Sprintf("learning: %s %s", e.What, e.Problem)
}

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error {
	return e.Cause
}

func misused(what, problem string, values ...any) *UsageError {
	return &UsageError{What: what, Problem: fmt.Sprintf(problem, values...)}
}

// isName says whether the API takes value as a name: 1 to 128 printable characters, not only spaces.
func isName(value string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return strings.Trim(value, " ") != "" && utf8.RuneCountInString(value) <= nameLengthMax &&
		utf8.ValidString(value) && !strings.ContainsFunc(value, unprintable)
}

func checkName(what, value string) error {
	if !isName(value) {
		return misused(what, "must have 1 to %d printable characters, not only spaces, got %.200q", nameLengthMax, value)
	}
	return nil
}

// checkID takes 1 to 128 printable ASCII characters without spaces.
func checkID(value string) error {
	unfit := func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }
	if !isName(value) || strings.ContainsFunc(value, unfit) {
		return misused("the decision id", "must have 1 to %d printable ASCII characters without spaces, got %.200q",
			nameLengthMax, value)
	}
	return nil
}

func checkDecision(domain, id string) error {
	if err := checkName("the domain", domain); err != nil {
		return err
	}
	return checkID(id)
}

// checkCandidates takes 1 to 1,000 names, each once.
func checkCandidates(candidates []string) error {
	if len(candidates) < 1 || len(candidates) > candidatesMax {
		return misused("candidates", "must be 1 to %d arms, got %d", candidatesMax, len(candidates))
	}
	seen := make(map[string]bool, len(candidates))
	for _, arm := range candidates {
		if err := checkName("an arm", arm); err != nil {
			return err
		}
		if seen[arm] {
			return misused("candidates", "must have each arm once, got %q twice", arm)
		}
		seen[arm] = true
	}
	return nil
}
