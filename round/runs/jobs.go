package runs

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Job is work that takes time: the driver starts it and reports with an [Event].
type Job interface{ job() }

// Consider asks the site whether it takes part in a run; answer Considered, at once or when its
// operator has decided.
type Consider struct {
	Run  block.CID
	Spec *ledger.RunSpec
}

// Weigh asks the site whether it takes part in a run that another site asks for; answer Considered, by the description and by the
// manifests and layouts that it names alone. It ends without an answer when the run is no longer asked for.
type Weigh struct {
	Run     block.CID
	Spec    *ledger.RunSpec
	Unknown []string // fields of the description that this program does not know
}

// Train asks for training from a base; answer Trained, Skipped or TrainFailed. It replaces a training of
// the same run that is under way.
type Train struct {
	Run     block.CID
	Spec    *ledger.RunSpec
	Round   uint64
	Opened  uint64
	Attempt uint64
	Base    block.CID // of the round; held
	From    block.CID // own update to train on from, held; undefined in the first attempt

	Left       time.Duration // until the bell of the run's round time, at which the trainer ends with what it has; 0: there is none
	Bounded    bool          // the change to the base has a norm that the site states, and must not exceed the run's bound
	Unmeasured bool          // the run's terms do not ask for what the site finds of the base
}

// StopTrain ends a run's training, which needs no answer.
type StopTrain struct{ Run block.CID }

// Fetch asks for an artifact to be held in full: from Owner if set, or from any site that has it.
// Answer Fetched. The driver tries until it succeeds, finds it invalid, or Forget ends it.
type Fetch struct {
	Run      block.CID
	Manifest block.CID // or the name of a state
	Layout   block.CID // another layout is refused; the model's if it is a state, undefined if it is a run's constants
	Owner    peer.ID   // whose update; empty for what every site may have
	State    bool      // it is an outer step's state
	Base     block.CID // of an update whose change is measured: what it was trained from; else undefined
}

// Forget says that an artifact is no longer needed: end its fetch, delete it if it is an update.
type Forget struct {
	Run      block.CID
	Manifest block.CID // or the name of a state
	Update   bool      // false: a model or a state, kept by the driver's policy
}

// Reduce asks for the new model of a seal, and the state with it if the run's outer step has one. All that it is
// computed from is held. Answer Reduced.
type Reduce struct {
	Run    block.CID
	Round  uint64
	Seal   block.CID
	Base   block.CID
	State  block.CID      // that Base was committed with; undefined: none
	Inputs []ledger.Input // in seal order
}

// Measure asks for what the site finds of the last model of a run, which is held, and of updates, which may not be. Answer Measured.
type Measure struct {
	Run     block.CID
	Spec    *ledger.RunSpec
	Round   uint64 // that the model came out of
	Model   block.CID
	Updates []ledger.Input // of its seal, ascending by site, its own among them; none unless the run asks for it
}

func (Consider) job()  {}
func (Weigh) job()     {}
func (Train) job()     {}
func (StopTrain) job() {}
func (Fetch) job()     {}
func (Forget) job()    {}
func (Reduce) job()    {}
func (Measure) job()   {}
