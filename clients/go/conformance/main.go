// Command conformance is the driver of the Go client: an ordinary app that reads orders and tells what it saw. The
// protocol is in clients/conformance/README.md.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

func main() {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// An answer has the id of its order and one of the rest.
type answer struct {
	ID          json.RawMessage `json:"id"`
	OK          any             `json:"ok,omitempty"`
	Mistake     string          `json:"mistake,omitempty"`
	Unsupported string          `json:"unsupported,omitempty"`
}

// serve answers one order a line, until there are no more.
func serve(orders io.Reader, answers io.Writer) error {
	driver := newDriver()
	lines := bufio.NewReader(orders)
	told := json.NewEncoder(answers)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if told := told.Encode(driver.answer(line)); told != nil {
				return told
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *driver) answer(line []byte) answer {
	var order struct {
		ID json.RawMessage `json:"id"`
		Op string          `json:"op"`
	}
	if err := json.Unmarshal(line, &order); err != nil {
		return answer{ID: json.RawMessage("null"), Unsupported: err.Error()}
	}
	execute, known := operations[order.Op]
	if !known {
		return answer{ID: order.ID, Unsupported: "the op " + order.Op}
	}
	seen, err := execute(d, line)
	var unknown *unsupportedError
	switch {
	case errors.As(err, &unknown):
		return answer{ID: order.ID, Unsupported: unknown.Error()}
	case err != nil:
		return answer{ID: order.ID, Mistake: err.Error()}
	}
	return answer{ID: order.ID, OK: seen}
}
