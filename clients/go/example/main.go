// Command example learns which of two pretended models answers best for its price. It works the same whether a sidecar
// runs or not; without one it uses the first model.
//
//	go run ./example
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

// model is what the app could call; a real one would be asked over the network.
type model struct {
	quality float64
	costUSD float64
	takes   time.Duration
}

var models = map[string]model{
	"small": {quality: 0.6, costUSD: 0.001, takes: 2 * time.Millisecond},
	"large": {quality: 0.9, costUSD: 0.010, takes: 6 * time.Millisecond},
}

var errNoMoney = errors.New("no model is affordable")

func main() {
	domain := flag.String("domain", "example", "the kind of decision")
	requests := flag.Int("requests", 200, "how many to handle")
	flag.Parse()
	client, err := learning.New()
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	chosen := map[string]int{}
	for i := range *requests {
		arm, source, err := handle(context.Background(), client, *domain, 100+i)
		if err != nil {
			log.Printf("request %d: %v", i, err)
			continue
		}
		chosen[fmt.Sprintf("%s (%s)", arm, source)]++
	}
	fmt.Println("how often each model was used, and who chose it:", chosen)
}

// handle answers one request with the model that the sidecar names, and says how that went.
func handle(
	ctx context.Context, client *learning.Client, domain string, tokens int,
) (arm string, source learning.Source, err error) {
	d, err := client.Decide(ctx, domain, []string{"small", "large"},
		learning.Context{"tokens": float64(tokens)}, learning.CostCeilingsUSD{"small": 0.001, "large": 0.010})
	if err != nil {
		return "", "", err
	}
	defer d.End(&err)
	if d.Refused {
		return "", "", errNoMoney
	}
	used := models[d.Arm]
	time.Sleep(used.takes)
	grade := min(1, max(0, used.quality+0.1*rand.NormFloat64()))
	d.Observe(learning.Signals{learning.Quality: grade, learning.CostUSD: used.costUSD})
	return d.Arm, d.Source, nil
}
