package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// unsupportedError says what this driver does not know.
type unsupportedError struct{ what string }

func (e *unsupportedError) Error() string { return e.what }

// header is what all orders have.
type header struct {
	ID     json.RawMessage `json:"id"`
	Op     string          `json:"op"`
	Client string          `json:"client"`
}

type operation func(*driver, []byte) (any, error)

var operations = map[string]operation{
	"open":         with((*driver).open),
	"fake":         with((*driver).fake),
	"fake_away":    with((*driver).fakeAway),
	"fake_rewards": with((*driver).fakeRewards),
	"decide":       with((*driver).decide),
	"learn":        with((*driver).learn),
	"recommend":    with((*driver).recommend),
	"together":     with((*driver).together),
	"reward":       with((*driver).reward),
	"release":      with((*driver).release),
	"close":        with((*driver).close),
}

// with reads the arguments of an operation. One that it does not have is unsupported; one of another type would not
// compile in an app, and so is a mistake.
func with[Arguments any](execute func(*driver, Arguments) (any, error)) operation {
	return func(d *driver, line []byte) (any, error) {
		var arguments Arguments
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&arguments)
		if err != nil && strings.HasPrefix(err.Error(), "json: unknown field") { // it has no type of its own
			return nil, &unsupportedError{err.Error()}
		}
		if err != nil {
			return nil, err
		}
		return execute(d, arguments)
	}
}

// number is a JSON number, or "nan", "inf" or "-inf".
type number float64

// UnmarshalJSON reads both spellings.
func (n *number) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	*n = number(value)
	return err
}

var errNoDuration = errors.New("no time.Duration has this value")

// duration gives milliseconds as Go's type for them, which has neither NaN nor infinity.
func (n number) duration() (time.Duration, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return 0, errNoDuration
	}
	nanoseconds := float64(n) * float64(time.Millisecond)
	return time.Duration(max(math.MinInt64/2, min(math.MaxInt64/2, nanoseconds))), nil
}

// numbers gives what is not null: absent values are not in a Go map.
func numbers[Key ~string](read map[string]*number) map[Key]float64 {
	values := map[Key]float64{}
	for name, value := range read {
		if value != nil {
			values[Key(name)] = float64(*value)
		}
	}
	return values
}
