// Command federate plays a federated run of the embedded trainer in one process, without a
// network: sites with text of different kinds, alone and together. It prints what each
// model loses on every kind of held-out text.
//
//	federate -sites 3 -rounds 5 -set "steps=60 lr=0.005"
//
// It is how the demonstration's hyperparameters were chosen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

func main() {
	sites := flag.Int("sites", 3, "number of sites")
	rounds := flag.Uint64("rounds", 5, "rounds of the run")
	set := flag.String("set", "", "hyperparameters, as key=value divided by blanks")
	measure := flag.Int("measure", 1<<20, "bytes of each held-out text to read, at most")
	compare := flag.Bool("alone", true, "also train each site alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *sites, *rounds, *set, *compare, *measure); err != nil {
		fmt.Fprintln(os.Stderr, "federate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sites int, rounds uint64, set string, compare bool, measure int) error {
	dir, err := os.MkdirTemp("", "federate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config := map[string]string{}
	for pair := range strings.FieldsSeq(set) {
		key, value, _ := strings.Cut(pair, "=")
		config[key] = value
	}
	f := &federation{dir: dir, rounds: rounds, config: config}
	for i := range sites {
		if err := f.join(i, sites); err != nil {
			return err
		}
	}
	first := filepath.Join(dir, "first.safetensors")
	if err := builtin.InitModel(first, config); err != nil {
		return err
	}
	start := time.Now()
	together, err := f.together(ctx, first)
	if err != nil {
		return err
	}
	fmt.Printf("%d sites, %d rounds: %.1f s of training\n\n", sites, rounds, time.Since(start).Seconds())
	table := table{ctx: ctx, config: config, measure: measure}
	table.header()
	if err := table.row("base", ""); err != nil {
		return err
	}
	for i := range f.trainers {
		if !compare {
			break
		}
		alone, err := f.alone(ctx, i, first)
		if err != nil {
			return err
		}
		if err := table.row(f.names[i]+" alone", alone); err != nil {
			return err
		}
	}
	return table.row("federated", together)
}

// federation is the sites of a run and where their files lie.
type federation struct {
	dir      string
	rounds   uint64
	config   map[string]string
	trainers []*builtin.Trainer
	names    []string
	tasks    int
}

func (f *federation) join(i, n int) error {
	s, err := corpus.Site(i, n)
	if err != nil {
		return err
	}
	t, err := builtin.New(builtin.Config{Data: s.String()})
	f.trainers = append(f.trainers, t)
	f.names = append(f.names, strings.TrimPrefix(s.String(), corpus.Prefix))
	return err
}

// train lets one site train a round from a model and returns its update.
func (f *federation) train(ctx context.Context, site int, round uint64, from string) (train.Result, error) {
	f.tasks++
	dir := filepath.Join(f.dir, fmt.Sprint(f.tasks))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return train.Result{}, err
	}
	return f.trainers[site].Run(ctx, train.Task{
		Kind: train.Train, Round: round, Rounds: f.rounds, Attempt: 1, Base: from, Dir: dir,
		Seed: uint64(site)<<32 | round, Config: f.config,
	}, nil)
}

// alone trains one site through all rounds on its own.
func (f *federation) alone(ctx context.Context, site int, from string) (string, error) {
	for round := uint64(1); round <= f.rounds; round++ {
		r, err := f.train(ctx, site, round, from)
		if err != nil {
			return "", err
		}
		from = r.Update
	}
	return from, nil
}

// together trains all sites, whose updates are averaged after each round.
func (f *federation) together(ctx context.Context, from string) (string, error) {
	for round := uint64(1); round <= f.rounds; round++ {
		var updates []train.Result
		var losses []string
		for site := range f.trainers {
			r, err := f.train(ctx, site, round, from)
			if err != nil {
				return "", err
			}
			updates = append(updates, r)
			losses = append(losses, fmt.Sprintf("%s %.4f", f.names[site], r.Metrics["val_loss"]))
		}
		from = filepath.Join(f.dir, fmt.Sprintf("global-%d.safetensors", round))
		if err := average(ctx, from, updates); err != nil {
			return "", err
		}
		fmt.Printf("round %d, own held-out text before averaging: %s\n", round, strings.Join(losses, ", "))
	}
	return from, nil
}
