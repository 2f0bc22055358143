// Command pretrain makes the base model that is embedded in weft: it trains the
// default llama.Config on a text from random weights.
//
//	pretrain -train gutenberg_train.txt.gz -valid gutenberg_valid.txt.gz \
//		-out train/builtin/base/base.safetensors -log docs/base-loss.csv -plot docs/base-loss.svg
//
// The result depends on the flags and the kind of kernel only, not on the number of cores. A
// checkpoint is written every minute; the last one is the result.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"time"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train/builtin/kernel"
	"github.com/weft-mesh/weft/train/builtin/llama"
	"github.com/weft-mesh/weft/train/builtin/text"
	"github.com/weft-mesh/weft/train/builtin/weights"
)

type recipe struct {
	train, valid, out, log, plot string
	steps, batch, warmup         int
	rate                         float64
	seed                         uint64
}

func main() {
	var r recipe
	flag.StringVar(&r.train, "train", "", "training text, plain or .gz")
	flag.StringVar(&r.valid, "valid", "", "held-out text")
	flag.StringVar(&r.out, "out", "base.safetensors", "where the model goes, as BF16")
	flag.StringVar(&r.log, "log", "base-loss.csv", "where the loss curve goes")
	flag.StringVar(&r.plot, "plot", "base-loss.svg", "where its picture goes")
	flag.IntVar(&r.steps, "steps", 12000, "optimizer steps")
	flag.IntVar(&r.batch, "batch", 16, "sequences per step")
	flag.IntVar(&r.warmup, "warmup", 200, "steps over which the learning rate rises")
	flag.Float64Var(&r.rate, "rate", 2e-3, "highest learning rate; it falls to zero along a cosine")
	flag.Uint64Var(&r.seed, "seed", 1, "of the weights and the order of the text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pretrain:", err)
		os.Exit(1)
	}
}

const (
	checkpointEvery = time.Minute
	measureEvery    = 250     // steps
	measureBytes    = 1 << 16 // of the held-out text; all of it at the end
)

func (r recipe) run(ctx context.Context) error {
	train, err := text.Read(r.train)
	if err != nil {
		return err
	}
	valid, err := text.Read(r.valid)
	if err != nil {
		return err
	}
	m, err := llama.NewModel(llama.Default())
	if err != nil {
		return err
	}
	if len(train) <= m.Context {
		return fmt.Errorf("%s holds %d bytes of text; more than %d are needed", r.train, len(train), m.Context)
	}
	m.Init(r.seed)
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, "step,tokens,train_loss,valid_loss")
	fmt.Printf("%d parameters, %d bytes of text, kernel %s\n", m.Size(), len(train), kernel.Name())
	if err := r.learn(ctx, m, train, valid[:min(len(valid), measureBytes)], log); err != nil {
		return err
	}
	loss, err := m.Loss(ctx, valid, 0)
	if err != nil {
		return err
	}
	fmt.Printf("held-out text: %.4f nats/byte, %.4f bits/byte\n", loss, loss/math.Ln2)
	if err := draw(r.log, r.plot); err != nil {
		return err
	}
	return r.save(m)
}

func (r recipe) learn(ctx context.Context, m *llama.Model, train, valid []byte, log *os.File) error {
	l := llama.NewLearner(m, nil, llama.DefaultOptimizer(), 0)
	sampler := text.NewSampler(train, m.Context+1, r.seed)
	start, saved := time.Now(), time.Now()
	var sum float64
	for step := 1; step <= r.steps; step++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		sum += l.Step(sampler.Batch(r.batch), llama.Cosine(r.rate, step, r.warmup, r.steps))
		if time.Since(saved) > checkpointEvery {
			saved = time.Now()
			if err := r.save(m); err != nil {
				return err
			}
		}
		if step%measureEvery > 0 && step < r.steps {
			continue
		}
		loss, err := m.Loss(ctx, valid, 0)
		if err != nil {
			return err
		}
		tokens := step * r.batch * m.Context
		n := (step-1)%measureEvery + 1
		fmt.Fprintf(log, "%d,%d,%.4f,%.4f\n", step, tokens, sum/float64(n), loss)
		fmt.Printf("step %d of %d: loss %.4f, held-out %.4f, %.0f tokens/s\n",
			step, r.steps, sum/float64(n), loss, float64(tokens)/time.Since(start).Seconds())
		sum = 0
	}
	return nil
}

func (r recipe) save(m *llama.Model) error {
	return weights.Write(r.out, m.Tensors(), weights.LayoutOf(m.Tensors(), tensor.BF16))
}
