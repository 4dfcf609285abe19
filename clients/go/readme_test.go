package learning_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// around is what a reader of the README has already.
const around = `package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/learning-sidecar/learning-sidecar/clients/go/learningtest"
)

type Answer struct{ CostUSD float64 }

func askModel(context.Context, string, string) (Answer, error) { return Answer{}, nil }
func grade(Answer) float64 { return 1 }
func act(context.Context, string) (Answer, error) { return Answer{}, nil }
func score(context.Context, Answer) (learning.Signals, error) { return nil, nil }
func main() {}
`

// All Go in the README compiles.
func TestReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 4 {
		t.Fatalf("expected 4 blocks of Go, got %d", len(blocks))
	}
	imports, program := "", around
	for i, block := range blocks {
		code := block[1]
		if found := regexp.MustCompile(`(?m)^import .*$`).FindString(code); found != "" {
			imports, code = found, strings.Replace(code, found, "", 1)
		}
		if !strings.Contains(code, "func ") {
			code = fmt.Sprintf("func part%d(ctx context.Context, client *learning.Client, d *learning.Act, id string) {\n%s}\n", i, code)
		}
		program += code
	}
	program = strings.Replace(program, "import (", imports+"\n\nimport (", 1)
	file := filepath.Join(t.TempDir(), "readme.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, said, program)
	}
}
