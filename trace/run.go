package trace

import (
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/block"
)

// TrainingStarted tells that a site trains.
type TrainingStarted struct {
	Subject
	Attempt  uint64 `json:"attempt,omitempty"`  // from 1
	Attempts uint64 `json:"attempts,omitempty"` // of the run, at most
}

// TrainingFailed tells that a training has ended without an update.
type TrainingFailed struct {
	Subject
	Why string `json:"why"`
}

// Skipped tells that a site offers nothing in the round.
type Skipped struct {
	Subject
	Why string `json:"why"`
}

// Troubled tells what goes wrong at a site, as it says: nothing any more, if there are no classes.
type Troubled struct {
	Subject
	Classes []string `json:"classes,omitempty"`
	Why     string   `json:"why,omitempty"` // as far as its operator shares that
}

// MetricsDropped tells that an update's metrics are left out: they would not fit a seal of all sites.
type MetricsDropped struct{ Subject }

// Announced tells that a site has announced an update.
type Announced struct {
	Subject
	Update block.CID `json:"update"` // its manifest
}

// Held tells that the update of a site is held in full.
type Held struct {
	Subject
	Update block.CID `json:"update"`
}

// UpdateSpoilt tells that the update of a site can never be used.
type UpdateSpoilt struct {
	Subject
	Update block.CID `json:"update"`
	Why    string    `json:"why"`
}

// ModelSpoilt tells that a model can never be used.
type ModelSpoilt struct {
	Subject
	Model block.CID `json:"model"`
	Why   string    `json:"why"`
}

// UpdateStale tells that the update of a site comes too late to count.
type UpdateStale struct {
	Subject
	Why string `json:"why"`
}

// ReductionStarted tells that a site computes the model of a seal.
type ReductionStarted struct {
	Subject
	Seal block.CID `json:"seal"`
}

// Reduced tells that a site has computed the model of a seal.
type Reduced struct {
	Subject
	Seal  block.CID `json:"seal"`
	Model block.CID `json:"model"`
}

// InputSpoilt tells that the update of a site cannot be aggregated.
type InputSpoilt struct {
	Subject
	Seal  block.CID `json:"seal"`
	Shard block.CID `json:"shard"`
	Why   string    `json:"why"`
}

// Diverged tells that a site has computed another model from a seal than this one.
type Diverged struct {
	Subject
	Own   block.CID `json:"own"`
	Model block.CID `json:"model"`           // the other
	State bool      `json:"state,omitempty"` // the models are equal, and these are the outer step's states
	Why   string    `json:"why"`
}

func (TrainingStarted) Kind() Kind  { return "train" }
func (TrainingFailed) Kind() Kind   { return "train failed" }
func (Skipped) Kind() Kind          { return "skips" }
func (Troubled) Kind() Kind         { return "trouble" }
func (MetricsDropped) Kind() Kind   { return "metrics dropped" }
func (Announced) Kind() Kind        { return "announce" }
func (Held) Kind() Kind             { return "holds" }
func (UpdateSpoilt) Kind() Kind     { return "bad update" }
func (ModelSpoilt) Kind() Kind      { return "bad model" }
func (UpdateStale) Kind() Kind      { return "stale update" }
func (ReductionStarted) Kind() Kind { return "reduce" }
func (Reduced) Kind() Kind          { return "reduced" }
func (InputSpoilt) Kind() Kind      { return "bad input" }
func (Diverged) Kind() Kind         { return "diverged" }

func (e TrainingStarted) Text() string {
	if e.Attempt < 2 {
		return ""
	}
	return fmt.Sprintf("on from its own update while too few are in: attempt %d of %d", e.Attempt, e.Attempts)
}
func (e TrainingFailed) Text() string { return e.Why }
func (e Skipped) Text() string        { return e.Why }
func (e Troubled) Text() string {
	if len(e.Classes) == 0 {
		return "nothing any more"
	}
	text := strings.Join(e.Classes, ", ")
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}
func (MetricsDropped) Text() string { return "too many for a mesh of so many sites" }
func (e UpdateSpoilt) Text() string { return e.Why }
func (e ModelSpoilt) Text() string  { return e.Why }
func (e UpdateStale) Text() string  { return e.Why }
func (e InputSpoilt) Text() string  { return e.Why }
func (e Diverged) Text() string     { return e.Why }

var (
	_ = register[TrainingStarted]()
	_ = register[TrainingFailed]()
	_ = register[Skipped]()
	_ = register[Troubled]()
	_ = register[MetricsDropped]()
	_ = register[Announced]()
	_ = register[Held]()
	_ = register[UpdateSpoilt]()
	_ = register[ModelSpoilt]()
	_ = register[UpdateStale]()
	_ = register[ReductionStarted]()
	_ = register[Reduced]()
	_ = register[InputSpoilt]()
	_ = register[Diverged]()
)
