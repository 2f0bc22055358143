package node

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/train"
)

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		text string
		want []any
	}{
		{"trainer: {exec: [python3, train.py], dir: training}\naccept: auto\n", []any{"trainer", "python3 train.py", "dir", "/site/training", "accept", "auto"}},
		{"trainer: {exec: [./train]}\n", []any{"trainer", "./train", "dir", "/site", "accept", "ask"}},
		{"trainer: {builtin: {data: letters.txt}}\n", []any{"trainer", "builtin", "data", "/site/letters.txt", "accept", "ask"}},
		{"trainer: {builtin: {data: builtin:dolly}}\n", []any{"trainer", "builtin", "data", "builtin:dolly", "accept", "ask"}},
		{"trainer: {synthetic: {}}\naccept: [run: alpaca-*, {run: x, from: north}]\n", []any{"trainer", "synthetic", "accept", "run: alpaca-*, run: x from: north"}},
	} {
		config, err := config.Parse("config.yaml", []byte("name: a\n"+c.text))
		if err != nil {
			t.Fatal(err)
		}
		h := &site.Home{Dir: "/site", Config: config}
		if got := h.Choices(h.TrainerEnv("", slog.Default())); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A trainer that says nothing for long is warned of, once in a training.
func TestSilentTrainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(records, 8)
		n := &Node{trainer: process(4711)}
		j := &jobs{n: n, log: slog.New(slog.NewTextHandler(log, nil))}
		said := func(after time.Duration) int {
			time.Sleep(after)
			synctest.Wait()
			return len(log)
		}
		job := round.Train{Spec: &ledger.RunSpec{Name: "letters"}}
		report, stop := j.listen(&training{job: job})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("too early")
		}
		report(train.Progress{})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("though it was heard")
		}
		if n := said(2 * time.Second); n != 1 {
			t.Fatalf("after long: %d warnings", n)
		}
		if text := <-log; !strings.Contains(text, "nothing is heard of the trainer") || !strings.Contains(text, "pid=4711") || !strings.Contains(text, "name=letters") {
			t.Error(text)
		}
		report(train.Progress{})
		if said(2*trainerSilence) > 0 {
			t.Error("more than once")
		}
		stop()
		_, stop = j.listen(&training{job: job})
		stop()
		if said(2*trainerSilence) > 0 {
			t.Error("after the training")
		}
	})
}

// records are the lines of a log.
type records chan string

func (r records) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// process is a trainer that is a process.
type process int

func (p process) Process() int { return int(p) }

func (p process) Run(context.Context, train.Task, func(train.Progress)) (train.Result, error) {
	return train.Result{}, errTest
}
