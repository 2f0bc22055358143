package builtin

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin/base"
	"github.com/weft-mesh/weft/train/builtin/llama"
)

// Modes of training.
const (
	modeLoRA = "lora"
	modeFull = "full"
)

// Limits on what a run may ask of a site.
const (
	maxSteps = 1_000_000
	maxBatch = 4096
)

// hyper is a run's hyperparameters, read.
type hyper struct {
	mode    string
	adapter llama.AdapterConfig // in lora mode
	steps   int
	batch   int
	warmup  int
	rate    float64
	seed    uint64 // of a fresh adapter; tasks bring their own
}

// knownKeys lists every hyperparameter, for messages and for refusing others.
var knownKeys = []string{"mode", "rank", "alpha", "targets", "steps", "batch", "lr", "warmup", "seed", "base"}

// reader takes hyperparameters out of a map and keeps the first error.
type reader struct {
	from map[string]string
	err  error
}

func (r *reader) fail(key, hint string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s is %.40q; %s", train.ErrHyperparameter, key, r.from[key], hint)
	}
}

func (r *reader) whole(key string, otherwise, least, most int) int {
	s, ok := r.from[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		r.fail(key, fmt.Sprintf("use a whole number from %d to %d", least, most))
	}
	return n
}

func (r *reader) positive(key string, otherwise, most float64) float64 {
	s, ok := r.from[key]
	if !ok {
		return otherwise
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || v > most {
		r.fail(key, fmt.Sprintf("use a number above 0, at most %g", most))
	}
	return v
}

func (r *reader) seed(key string, otherwise uint64) uint64 {
	s, ok := r.from[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		r.fail(key, "use a whole number from 0, below 2^64")
	}
	return n
}

func (r *reader) text(key, otherwise string) string {
	if s, ok := r.from[key]; ok {
		return s
	}
	return otherwise
}

// parse reads and checks a run's hyperparameters; every key but those of package
// builtin's documentation is refused, so that a misspelt one is noticed.
func parse(config map[string]string) (hyper, error) {
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if !slices.Contains(knownKeys, key) {
			return hyper{}, fmt.Errorf("%w: %q is unknown; there are %s", train.ErrHyperparameter, key, strings.Join(knownKeys, ", "))
		}
	}
	r := &reader{from: config}
	h := hyper{
		mode:   r.text("mode", modeLoRA),
		steps:  r.whole("steps", 60, 1, maxSteps),
		batch:  r.whole("batch", 8, 1, maxBatch),
		warmup: r.whole("warmup", 10, 0, maxSteps),
		seed:   r.seed("seed", 1),
	}
	switch h.mode {
	case modeLoRA:
		h.rate = r.positive("lr", 5e-3, 1)
		h.adapter.Rank = r.whole("rank", 8, 1, 128)
		h.adapter.Alpha = r.positive("alpha", 2*float64(h.adapter.Rank), math.MaxFloat32)
		targets, err := llama.ParseTargets(r.text("targets", "all"))
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("%w: %w", train.ErrHyperparameter, err)
		}
		h.adapter.Targets = targets
	case modeFull:
		h.rate = r.positive("lr", 1e-3, 1)
		for _, key := range []string{"rank", "alpha", "targets"} {
			if _, ok := config[key]; ok {
				r.fail(key, "it goes with mode lora only")
			}
		}
	default:
		r.fail("mode", "use lora or full")
	}
	if want, ok := config["base"]; ok && want != base.CID().String() {
		r.fail("base", fmt.Sprintf("this weft carries %s; all sites need the same version", base.CID()))
	}
	return h, r.err
}

// learningRate returns the rate of a step, from 1, in a round of rounds, from 1: it falls
// along a cosine over all of them to a tenth, and each round begins with a warm-up.
func (h hyper) learningRate(round, rounds uint64, step int) float64 {
	rounds = max(rounds, 1)
	round = min(max(round, 1), rounds)
	done := (float64(round-1) + float64(step-1)/float64(h.steps)) / float64(rounds)
	rate := h.rate * (0.55 + 0.45*math.Cos(math.Pi*done))
	if step <= h.warmup {
		rate *= float64(step) / float64(h.warmup+1)
	}
	return rate
}
