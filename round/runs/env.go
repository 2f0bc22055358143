package runs

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// Out takes what a site's part in its runs has to do and say, in the order of the calls.
type Out interface {
	Now() time.Duration
	Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed
	Verify(s *ledger.Signed) error // signed by a site of the roster
	Save(s *ledger.Signed)
	// Publish sends a statement to all now, and again as long as it matters, at most most times; 0: without limit.
	Publish(s *ledger.Signed, most uint64, matters func(sends uint64) bool)
	Start(j Job)
	Trace(e trace.Event)
}

// Proofs tell which sites are proven to lie.
type Proofs interface {
	Accused(id peer.ID) bool
	Version() uint64
}

// Voice says whether this site may offer an update, having just started perhaps.
type Voice interface{ MayOffer() bool }

// Timing is how long a site waits. What depends on the training or the network is measured.
type Timing struct {
	Deadline    time.Duration // least soft deadline of a round
	Unavailable time.Duration // how long a sealed update is sought before another seal drops it
	Retry       time.Duration // wait before a failed training is tried again; doubles
	Closing     time.Duration // least wait for what the sites measure of a run's last model
}

// Config is what a site's runs are given for good.
type Config struct {
	Self   peer.ID
	Ledger *ledger.Ledger
	Timing Timing
	Out    Out
	Proofs Proofs
	Voice  Voice
	Sites  Presence
	Strict bool // panic on an illegal move of a run's regions
}

// env is what all runs of a site share.
type env struct {
	Config
	begun   bool // stepped since the start: the log is restored
	version uint64
}

func (v *env) begin() { v.begun = true }

// touch counts a change that entries or readiness may depend on.
func (v *env) touch() { v.version++ }

func (v *env) now() time.Duration { return v.Out.Now() }

func (v *env) roster() *ledger.Roster { return v.Ledger.Roster() }

// observes reports whether this site's key is none of the mesh's sites: not yet, or no longer.
func (v *env) observes() bool { return !v.roster().Has(v.Self) }
