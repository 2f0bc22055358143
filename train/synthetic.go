package train

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/tensor"
)

// Synthetic is a trainer that trains nothing: it waits, and then offers its base with a little
// noise. It stands in for a real one where a mesh is tried out or measured, with a model of any
// size: it needs the same memory for each. A task done again yields the same update, unless it varies.
type Synthetic struct {
	Time   time.Duration // of one training
	Varies bool          // a task done again yields another update, as on a GPU
}

var _ Trainer = (*Synthetic)(nil)

const (
	syntheticSteps = 20      // in which a training waits and reports
	syntheticChunk = 1 << 14 // elements at a time
	syntheticNoise = 1e-3    // largest change of an element
	syntheticRow   = 1 << 20 // elements of the largest tensor of an initial model
)

// Run does a task. Samples, 1 to 1000, and the metric loss follow from the task's seed and round.
func (s *Synthetic) Run(ctx context.Context, task Task, report func(Progress)) (Result, error) {
	if report == nil {
		report = func(Progress) {}
	}
	if task.Kind == Generate {
		return Result{Skip: "the synthetic trainer has no model that generates text"}, nil
	}
	loss := 1/float64(task.Round+1) + float64(task.Seed%100)/1000
	for step := uint64(1); step <= syntheticSteps; step++ {
		select {
		case <-time.After(s.Time / syntheticSteps):
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
		report(Progress{Step: step, Steps: syntheticSteps, Metrics: map[string]float64{"loss": loss}})
	}
	res := Result{Samples: 1 + task.Seed%1000, Metrics: map[string]float64{"loss": loss}}
	if task.Kind == Evaluate {
		return res, nil
	}
	res.Update = filepath.Join(task.Dir, "update.safetensors")
	noise := task.Seed
	if s.Varies {
		noise = rand.Uint64()
	}
	if err := addNoise(ctx, task.Base, res.Update, noise); err != nil {
		return Result{}, fmt.Errorf("synthetic trainer: %w", err)
	}
	return res, nil
}

// addNoise writes the tensors of the file from, each element changed by seeded noise, to a new file.
func addNoise(ctx context.Context, from, to string, seed uint64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := tensor.ReadHeader(f, info.Size())
	if err != nil {
		return err
	}
	layout, err := h.Layout()
	if err != nil {
		return err
	}
	return writeTensors(ctx, to, layout, rand.NewPCG(seed, 1), func(t tensor.Tensor) io.Reader {
		at, _ := h.Tensor(t.Name) // the layout is the header's
		return h.Data(f, at)
	})
}

// InitSynthetic writes a safetensors file of about the given size, at least one element, to start a run
// from: F32 elements between -1/2 and +1/2 that follow from the seed.
func InitSynthetic(ctx context.Context, path string, bytes, seed uint64) error {
	var layout tensor.Layout
	for left := max(1, bytes/4); left > 0; {
		n := min(left, syntheticRow)
		layout.Tensors = append(layout.Tensors, tensor.Tensor{
			Name: fmt.Sprintf("layer.%06d.weight", len(layout.Tensors)), DType: tensor.F32, Shape: []uint64{n},
		})
		left -= n
	}
	if err := layout.Validate(); err != nil {
		return fmt.Errorf("synthetic model: %w", err)
	}
	chance := rand.New(rand.NewPCG(seed, 2))
	err := writeTensors(ctx, path, layout, rand.NewPCG(seed, 1), func(t tensor.Tensor) io.Reader {
		return &fractions{chance: chance}
	})
	if err != nil {
		return fmt.Errorf("synthetic model: %w", err)
	}
	return nil
}

// fractions is an endless reader of F32 elements between -1/2 and +1/2.
type fractions struct {
	chance *rand.Rand
	x      [1]float32
}

func (f *fractions) Read(p []byte) (int, error) {
	n := len(p) &^ 3 // callers read whole elements
	for i := 0; i < n; i += 4 {
		f.x[0] = f.chance.Float32() - 0.5
		tensor.Encode(p[i:i+4], f.x[:], tensor.F32)
	}
	return n, nil
}

// writeTensors writes a safetensors file of the layout, whose elements are those of source and noise.
func writeTensors(ctx context.Context, path string, layout tensor.Layout, noise rand.Source, source func(tensor.Tensor) io.Reader) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<18)
	if _, err := w.Write(layout.SafetensorsHeader()); err != nil {
		return err
	}
	chance := rand.New(noise)
	elements, data := make([]float32, syntheticChunk), make([]byte, 4*syntheticChunk)
	for _, t := range layout.Tensors {
		r := source(t)
		for left := t.Elements(); left > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			x := elements[:min(left, syntheticChunk)]
			b := data[:len(x)*t.DType.Size()]
			if _, err := io.ReadFull(r, b); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			perturb(x, b, t.DType, chance)
			if _, err := w.Write(b); err != nil {
				return err
			}
			left -= uint64(len(x))
		}
	}
	return w.Flush()
}

// perturb changes encoded elements; one that would leave its type's range stays as it is.
func perturb(x []float32, b []byte, d tensor.DType, chance *rand.Rand) {
	tensor.Decode(x, b, d)
	for i := range x {
		x[i] += float32((chance.Float64() - 0.5) * 2 * syntheticNoise)
	}
	size := d.Size()
	for at := 0; at < len(x); {
		bad := tensor.Encode(b[at*size:], x[at:], d)
		if bad < 0 {
			return
		}
		at += bad + 1 // what is encoded there stays
	}
}
