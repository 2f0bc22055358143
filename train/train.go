package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// Kind says what a task asks for.
type Kind string

const (
	Train    Kind = "train"    // train from the base, yield an update
	Evaluate Kind = "evaluate" // measure the base, yield metrics only
	Init     Kind = "init"     // yield the model that a run begins with; there is no base, and no run yet
	Generate Kind = "generate" // yield a text that the base generates
)

// BaseHint says what a file must be for a run to begin with it, and how to make it so.
const BaseHint = "a model is a safetensors file, or a folder as Hugging Face has them, whose weights are F32, F16 or BF16 (F64 becomes F32), all finite, " +
	"beside whole numbers and truth values; in Python weft.save(model, FILE) writes one"

// HintOfBase says what to do about a model that no run can begin with.
func HintOfBase(err error) string {
	if errors.Is(err, tensor.ErrTooMany) {
		return fmt.Sprintf("a model has at most %d tensors, whose names and shapes take at most %d MiB: let the run exchange a part of it, such as an adapter, or join the experts of a layer in one tensor", tensor.MaxTensors, tensor.MaxShardBytes>>20)
	}
	return BaseHint
}

// LocalFile is the file in a run's folder with the site's own values of the tensors that each site has its own of. The trainer
// writes it, as safetensors, when it has sent an update; it outlives the run.
const LocalFile = "local.safetensors"

// Task is one piece of work for a trainer.
type Task struct {
	Kind      Kind              `json:"kind"`
	Run       string            `json:"run"`                 // the run's CID
	Name      string            `json:"name"`                // the run's name, for people
	Site      string            `json:"site,omitempty"`      // the site's name
	Round     uint64            `json:"round"`               // counted from 1; of Evaluate and Generate the one that yielded the model, 0 for what the run began with
	Rounds    uint64            `json:"rounds"`              // the run's length
	Attempt   uint64            `json:"attempt"`             // counted from 1 within the round
	Base      string            `json:"base"`                // safetensors file with the parameters to start from; read-only; empty for Init
	Constants string            `json:"constants,omitempty"` // safetensors file of what the model has beside its weights, the same in every round; read-only; absent if there is nothing
	Aliases   map[string]string `json:"aliases,omitempty"`   // further names of tied weights, each with its name in Base
	Local     []string          `json:"local,omitempty"`     // names of tensors that each site has its own of: Constants has their first values, LocalFile in StateDir the site's own
	Adapter   string            `json:"adapter,omitempty"`   // adapter_config.json of the adapter that the model is, as PEFT has it; absent if it is none
	Frozen    ledger.Frozen     `json:"frozen,omitempty"`    // files of the model that the adapter is made for; absent if nothing is known of it
	Dir       string            `json:"dir"`                 // empty folder of this task; the update is written here
	StateDir  string            `json:"state_dir,omitempty"` // the run's folder at this site: what is in it is there for the run's next task, also after a restart
	Sealed    *bool             `json:"sealed,omitempty"`    // whether the site's update of the round before counted; absent in the first round
	Seed      uint64            `json:"seed"`                // differs by site, round and attempt
	Config    map[string]string `json:"config"`              // the run's hyperparameters, overlaid by the site's own
	Generate  *Generation       `json:"generate,omitempty"`  // of Generate: what to go on from, and how
	Bell      time.Time         `json:"-"`                   // when a training ends with what it has; zero: whenever it has done all
	Over      bool              `json:"-"`                   // the run is over: there will be no next round to keep a process for
}

// Result is what a trainer made of a task.
type Result struct {
	Update  string             `json:"update"`         // safetensors file with the trained parameters, layout of Base, if there is one; empty for Evaluate and Generate
	Samples uint64             `json:"samples"`        // training examples seen; the update's weight in the average
	Metrics map[string]float64 `json:"metrics"`        // finite numbers by name, such as "loss"
	Text    string             `json:"text,omitempty"` // of Generate: at most MaxText bytes of UTF-8
	Skip    string             `json:"skip,omitempty"` // why the site has nothing to give, in the place of all that; empty: it gives

	settle func(error)
}

// Settle tells the trainer what became of an update: nil once it is durable, or why it is not used. Until then a process that
// sent it waits, and keeps what it needs to train again. Every update is settled; a second call does nothing.
func (r Result) Settle(err error) {
	if r.settle != nil {
		r.settle(err)
	}
}

// Progress is where a running task stands.
type Progress struct {
	Step    uint64             `json:"step"`
	Steps   uint64             `json:"steps"` // 0 if unknown
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// Trainer runs tasks, one at a time.
type Trainer interface {
	// Run does the task and calls report now and then, never after it returned. When ctx ends
	// it stops within seconds, leaves nothing working on the task and returns ctx's error. The
	// cause ErrClosed means that the node ends, and gives out the same task when it is back.
	Run(ctx context.Context, task Task, report func(Progress)) (Result, error)
}
