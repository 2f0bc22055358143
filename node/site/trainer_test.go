package site

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/node/config"
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
		h := &Home{Dir: "/site", Config: config}
		if got := h.Choices(h.TrainerEnv("", slog.Default())); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
