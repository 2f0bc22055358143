package train

import "context"

// Kind says what a task asks for.
type Kind string

const (
	Train    Kind = "train"    // train from the base, yield an update
	Evaluate Kind = "evaluate" // measure the base, yield metrics only
)

// Task is one piece of work for a trainer.
type Task struct {
	Kind    Kind              `json:"kind"`
	Run     string            `json:"run"`     // the run's CID
	Name    string            `json:"name"`    // the run's name, for people
	Round   uint64            `json:"round"`   // counted from 1; of an evaluation the one that yielded the model, 0 for what the run began with
	Rounds  uint64            `json:"rounds"`  // the run's length
	Attempt uint64            `json:"attempt"` // counted from 1 within the round
	Base    string            `json:"base"`    // safetensors file with the parameters to start from; read-only
	Dir     string            `json:"dir"`     // empty folder of this task; the update is written here
	Seed    uint64            `json:"seed"`    // differs by site, round and attempt
	Config  map[string]string `json:"config"`  // the run's hyperparameters, overlaid by the site's own

	// StateDir is a folder that outlives the trainer's process, the same for all tasks of a run; empty if there is none.
	StateDir string `json:"state_dir,omitempty"`
}

// Result is what a trainer made of a task.
type Result struct {
	Update  string             `json:"update"`  // safetensors file with the trained parameters, layout of Base; empty for Evaluate
	Samples uint64             `json:"samples"` // training examples seen; the update's weight in the average
	Metrics map[string]float64 `json:"metrics"` // finite numbers by name, such as "loss"
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
