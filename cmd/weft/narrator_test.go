package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// TestNarratorKinds: what the log says in words of its own are events that there are.
func TestNarratorKinds(t *testing.T) {
	for _, list := range []map[trace.Kind]string{told, warned} {
		for k := range list {
			if !slices.Contains(trace.Kinds(), k) {
				t.Errorf("no event is of the kind %q", k)
			}
		}
	}
}

// TestLosses: a committed round's line has this site's loss, if it has one, and the mean of all.
func TestLosses(t *testing.T) {
	rounds := []api.RoundStatus{
		{Metrics: map[string]map[string]float64{"a": {"loss": 0.5, "x": 9}, "b": {"loss": 0.25}, "c": {}}},
		{Metrics: map[string]map[string]float64{"b": {"loss": 0.125}}},
		{},
	}
	for round, want := range []string{"[loss 0.5 mean 0.375]", "[mean 0.125]", "[]"} {
		if got := fmt.Sprint(lossAttrs(&rounds[round], "a")); got != want {
			t.Errorf("round %d: %s, want %s", round+1, got, want)
		}
	}
}

// TestPrefixedLine: what a trainer writes stands in the node's log as a line of a run's round, and commands no terminal.
func TestPrefixedLine(t *testing.T) {
	var text strings.Builder
	out := term.New(&text)
	log := slog.New(plainOutput{term.NewLog(out, slog.LevelInfo), out, prefixedLine}).With("from", "trainer")
	log.Info("trainer output", train.OutputRun, "letters", train.OutputRound, 3, "stream", "stderr", train.OutputLine, "\x1b[31mloss\x1b[0m\t0.5\x1b]0;title\a")
	log.Info("trainer ended", "pid", 7)
	if got := text.String(); !strings.HasPrefix(got, "letters 3 | loss\t0.5]0;title\n") || !strings.HasSuffix(got, "  trainer ended  from=trainer  pid=7\n") {
		t.Errorf("%q", got)
	}
}
