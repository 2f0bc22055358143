package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Answers to jobs, and wishes of the site's operator about runs. Each is an event of the site.

// Considered answers Consider or Weigh; it may change an earlier answer.
type Considered struct {
	Run     block.CID
	Accept  bool
	Samples uint64 // that this site has to train on; 0: it does not know, or does not say
	Reason  string // for the other sites, of who declines; may be empty
}

// Trained answers Train: the update is durable under its manifest.
type Trained struct {
	Run      block.CID
	Round    uint64
	Opened   uint64
	Attempt  uint64
	Manifest block.CID
	Samples  uint64
	Steps    uint64 // that were trained; 0: the trainer has not said
	Metrics  map[string]float64
	Figures  *ledger.Measured // of the base; nil: it was not measured
	Lent     bool             // the site lets others measure the update
	Norm     float64          // of the change to the base, if the job is bounded
}

// TrainFailed answers Train. The machine asks again after a while.
type TrainFailed struct {
	Run    block.CID
	Round  uint64
	Opened uint64
	Err    string
}

// Skipped answers Train: the site has nothing to offer for the opening.
type Skipped struct {
	Run    block.CID
	Round  uint64
	Opened uint64
	Reason string
}

// Fetched answers Fetch: the artifact is held, or invalid for good (another layout, not finite).
type Fetched struct {
	Manifest block.CID
	Layout   block.CID // as in Fetch
	State    bool      // as in Fetch
	Invalid  string    // why, or empty
	Base     block.CID // as in Fetch
	Norm     float64   // of an update's change to Base, if that is defined
}

// Lost says that an artifact is not held any more: the driver's policy has removed it, or its disk
// has. The machine has it fetched again if it still needs it.
type Lost struct{ Manifest block.CID } // or the name of a state

// Reduced answers Reduce: the model is durable under its manifest, and the state under its name, or an input cannot be
// aggregated.
type Reduced struct {
	Seal  block.CID
	Model block.CID
	State block.CID // undefined if the run's outer step has none
	Bad   *BadInput
}

// BadInput names what cannot be aggregated.
type BadInput struct {
	Site  peer.ID
	Shard block.CID
	Err   string
}

// Measured answers Measure; the figures have no metrics if the site has found none.
type Measured struct {
	Run     block.CID
	Model   block.CID
	Figures ledger.Measured
	Cross   []ledger.CrossRow // of the updates, as far as they were measured
}

// OpenRun asks the mesh for a run, which needs the consents of others. Its base must be held.
type OpenRun struct{ Spec *ledger.RunSpec }

// StopRun asks the mesh to end a run, or takes back that this site asks for one.
type StopRun struct {
	Run    block.CID
	Reason string
}

// IsEvent marks an event of the site.
func (Considered) IsEvent() {}

// IsEvent marks an event of the site.
func (Trained) IsEvent() {}

// IsEvent marks an event of the site.
func (TrainFailed) IsEvent() {}

// IsEvent marks an event of the site.
func (Skipped) IsEvent() {}

// IsEvent marks an event of the site.
func (Fetched) IsEvent() {}

// IsEvent marks an event of the site.
func (Lost) IsEvent() {}

// IsEvent marks an event of the site.
func (Reduced) IsEvent() {}

// IsEvent marks an event of the site.
func (Measured) IsEvent() {}

// IsEvent marks an event of the site.
func (OpenRun) IsEvent() {}

// IsEvent marks an event of the site.
func (StopRun) IsEvent() {}
