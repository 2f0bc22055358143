package builtin

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin/llama"
	"github.com/weft-mesh/weft/train/builtin/text"
	"github.com/weft-mesh/weft/train/builtin/weights"
)

// Config is a site's side of the embedded trainer.
type Config struct {
	// Data is the text to train on: a file, plain or .gz, a folder of .txt and .txt.gz files, or a
	// sample of package corpus such as builtin:dolly.
	Data string
	// Heldout is the text that progress is measured on. Empty takes the sample's own, or of a file
	// the last tenth, which is then not trained on.
	Heldout string
	// Workers is how many goroutines share the work; 0 takes GOMAXPROCS. It does not change results.
	Workers int
}

// Trainer runs tasks on a site's text.
type Trainer struct {
	workers        int
	train, heldout []byte
}

var _ train.Trainer = (*Trainer)(nil)

// New reads the site's text and returns a trainer on it.
func New(c Config) (*Trainer, error) {
	t := &Trainer{workers: c.Workers}
	var err error
	if t.train, t.heldout, err = readData(c.Data, c.Heldout); err != nil {
		return nil, err
	}
	return t, nil
}

// updateFile is the name of the update within a task's folder.
const updateFile = "update.safetensors"

// validationBytes of the held-out text are read after each round, so that measuring takes a small part of
// the time; an evaluation reads all.
const validationBytes = 16 << 10

// reportEvery is the least time between two reports.
const reportEvery = 300 * time.Millisecond

// Run does a task. Metrics of training are loss (mean over the round's steps), val_loss
// (after it, on the start of the held-out text) and tokens, of an evaluation val_loss
// and tokens; losses in nats per byte.
func (t *Trainer) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	h, err := parse(task.Config)
	if err != nil {
		return train.Result{}, err
	}
	switch task.Kind {
	case train.Evaluate:
		return t.evaluate(ctx, task, h)
	case train.Train:
		return t.fit(ctx, task, h, report)
	case train.Generate:
		return generate(ctx, task, h)
	}
	return train.Result{}, fmt.Errorf("builtin trainer: unknown kind of task %q", task.Kind)
}

// generate goes on from a prompt; a token is a byte.
func generate(ctx context.Context, task train.Task, h hyper) (train.Result, error) {
	p, err := newParameters(h)
	if err != nil {
		return train.Result{}, err
	}
	if _, err := p.load(task.Base); err != nil {
		return train.Result{}, err
	}
	g := task.Generate
	text, err := p.model.Generate(ctx, []byte(g.Prompt), int(min(g.MaxTokens, train.MaxTokens)), g.Temperature, task.Seed)
	return train.Result{Text: train.CutText(string(text))}, err
}

func (t *Trainer) evaluate(ctx context.Context, task train.Task, h hyper) (train.Result, error) {
	p, err := newParameters(h)
	if err != nil {
		return train.Result{}, err
	}
	if _, err := p.load(task.Base); err != nil {
		return train.Result{}, err
	}
	loss, err := p.model.Loss(ctx, t.heldout, t.workers)
	if err != nil {
		return train.Result{}, err
	}
	return train.Result{
		Samples: uint64((len(t.heldout) + p.model.Context - 1) / p.model.Context),
		Metrics: map[string]float64{"val_loss": loss, "tokens": float64(len(t.heldout))},
	}, nil
}

func (t *Trainer) fit(ctx context.Context, task train.Task, h hyper, report func(train.Progress)) (train.Result, error) {
	p, err := newParameters(h)
	if err != nil {
		return train.Result{}, err
	}
	layout, err := p.load(task.Base)
	if err != nil {
		return train.Result{}, err
	}
	loss, done, err := t.steps(ctx, task, h, p, report)
	if err != nil {
		return train.Result{}, err
	}
	sample := t.heldout[:min(len(t.heldout), validationBytes)]
	val, err := p.model.Loss(ctx, sample, t.workers)
	if err != nil {
		return train.Result{}, err
	}
	if math.IsNaN(val) || math.IsInf(val, 0) {
		return train.Result{}, ErrDiverged
	}
	path := filepath.Join(task.Dir, updateFile)
	if err := weights.Write(path, p.tensors(), layout); err != nil {
		return train.Result{}, err
	}
	samples := h.steps * h.batch // by which it counts; how much of that a bell has left is in the steps
	return train.Result{
		Update:  path,
		Samples: uint64(samples),
		Metrics: map[string]float64{"loss": loss, "val_loss": val, "tokens": float64(done * h.batch * p.model.Context)},
	}, nil
}

// steps makes the round's optimizer steps, as many as there is time for but one at least, and returns their mean loss and number.
func (t *Trainer) steps(ctx context.Context, task train.Task, h hyper, p parameters, report func(train.Progress)) (loss float64, done int, err error) {
	opt := llama.DefaultOptimizer()
	if p.adapter != nil {
		opt.Decay = 0 // B·A is small already, and decay would pull sites' adapters apart from the average
	}
	l := llama.NewLearner(p.model, p.adapter, opt, t.workers)
	sampler := text.NewSampler(t.train, p.model.Context+1, task.Seed)
	var sum float64
	start, last := time.Now(), time.Time{}
	for step, rung := 1, false; step <= h.steps && !rung; step++ {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		loss := l.Step(sampler.Batch(h.batch), h.learningRate(task.Round, task.Rounds, step))
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return 0, 0, fmt.Errorf("%w (at step %d)", ErrDiverged, step)
		}
		sum, done = sum+loss, step
		rung = !task.Bell.IsZero() && !time.Now().Before(task.Bell)
		if now := time.Now(); report != nil && (now.Sub(last) >= reportEvery || step == h.steps || rung) {
			last = now
			report(train.Progress{Step: uint64(step), Steps: uint64(h.steps), Metrics: map[string]float64{
				"loss":              loss,
				"tokens_per_second": float64(step*h.batch*p.model.Context) / max(now.Sub(start).Seconds(), 1e-9),
			}})
		}
	}
	return sum / float64(done), done, nil
}
