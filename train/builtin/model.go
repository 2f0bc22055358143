package builtin

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train/builtin/base"
	"github.com/weft-mesh/weft/train/builtin/llama"
	"github.com/weft-mesh/weft/train/builtin/weights"
)

// InitModel writes the safetensors file that a run with the given hyperparameters starts
// from, its elements F32: in lora mode an adapter that changes nothing yet, in full mode
// the embedded base.
func InitModel(path string, config map[string]string) error {
	h, err := parse(config)
	if err != nil {
		return err
	}
	p, err := newParameters(h)
	if err != nil {
		return err
	}
	if p.adapter != nil {
		p.adapter.Init(h.seed)
	}
	return weights.WriteFirst(path, p.tensors(), p.adapterConfig())
}

// adapterConfig is what PEFT calls adapter_config.json, under its name; empty in full mode.
func (p parameters) adapterConfig() map[string]string {
	if p.adapter == nil {
		return nil
	}
	var targets []string
	for _, t := range p.adapter.Targets {
		targets = append(targets, t.String())
	}
	text, err := json.Marshal(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": p.adapter.Rank, "lora_alpha": p.adapter.Alpha, "lora_dropout": 0.0,
		"target_modules": targets, "bias": "none", "fan_in_fan_out": false, "inference_mode": true, "base_model_name_or_path": nil,
	})
	if err != nil {
		panic(err) // words and numbers
	}
	return map[string]string{ledger.AdapterKey: string(text)}
}

// parameters is the model of a task: the embedded base, and in lora mode an adapter on it.
type parameters struct {
	model   *llama.Model
	adapter *llama.Adapter // nil in full mode
}

func newParameters(h hyper) (parameters, error) {
	m, err := base.Load()
	if err != nil || h.mode == modeFull {
		return parameters{m, nil}, err
	}
	a, err := llama.NewAdapter(m, h.adapter)
	return parameters{m, a}, err
}

// tensors returns what is trained and sent.
func (p parameters) tensors() []llama.Tensor {
	if p.adapter != nil {
		return p.adapter.Tensors()
	}
	return p.model.Tensors()
}

// load takes over the parameters in a file and returns its layout.
func (p parameters) load(path string) (tensor.Layout, error) {
	ts, layout, err := weights.Read(path)
	if err != nil {
		return tensor.Layout{}, err
	}
	if p.adapter != nil {
		err = p.adapter.Load(ts)
	} else {
		err = p.model.Load(ts)
	}
	if err != nil {
		return tensor.Layout{}, fmt.Errorf("%w: %w; mode, rank and targets must be those the run began with", ErrBase, err)
	}
	return layout, nil
}

// Quality is how well a model foretells a text.
type Quality = llama.Quality

// Evaluate returns the loss that Measure returns.
func Evaluate(ctx context.Context, path string, config map[string]string, text []byte, workers int) (float64, error) {
	q, err := Measure(ctx, path, config, text, workers)
	return q.Loss, err
}

// Measure measures on text the parameters in the safetensors file at path, trained with the given
// hyperparameters; with path empty, the embedded base. workers is how many goroutines share the
// work; 0 takes GOMAXPROCS.
func Measure(ctx context.Context, path string, config map[string]string, text []byte, workers int) (Quality, error) {
	h, err := parse(config)
	if err != nil {
		return Quality{}, err
	}
	p, err := newParameters(h)
	if err != nil {
		return Quality{}, err
	}
	if path != "" {
		if _, err := p.load(path); err != nil {
			return Quality{}, err
		}
	}
	return p.model.Measure(ctx, text, workers)
}
