package ledger

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// RunSpec is a run as its opener signs it: what is trained, how, and for how long. It never carries code.
type RunSpec struct {
	Name        string            `cbor:"name" json:"name"`
	By          peer.ID           `cbor:"by" json:"by"`                                 // the site that opens the run
	Base        block.CID         `cbor:"base" json:"base"`                             // manifest of the model that round 1 starts from
	Layout      block.CID         `cbor:"layout" json:"layout"`                         // of the base and of every update
	Constants   Constants         `cbor:"constants,omitzero" json:"constants,omitzero"` // beside the weights; absent where there are none
	Rounds      uint64            `cbor:"rounds" json:"rounds"`                         // how many
	Rule        string            `cbor:"rule" json:"rule"`                             // its name; a site that does not know it takes no part
	Strategy    Strategy          `cbor:"strategy,omitzero" json:"strategy,omitzero"`   // outer step and parameters; absent where there are none
	Selection   Selection         `cbor:"selection,omitzero" json:"selection,omitzero"` // evaluation and the best model; absent where it says nothing of them
	Bounds      Bounds            `cbor:"bounds,omitzero" json:"bounds,omitzero"`       // how far one site may move a model; absent where it says nothing of it
	Pace        Pace              `cbor:"pace,omitzero" json:"pace,omitzero"`           // when its rounds end; absent where it says nothing of it
	Continues   Continues         `cbor:"continues,omitzero" json:"continues,omitzero"` // an earlier run from whose model it goes on; absent where it continues none
	MinSites    uint64            `cbor:"min_sites" json:"min_sites"`                   // fewest updates in a seal; 0: a quorum
	SampleCap   uint64            `cbor:"sample_cap" json:"sample_cap"`
	Late        LatePolicy        `cbor:"late" json:"late"`
	LateNum     uint64            `cbor:"late_num" json:"late_num"` // weight of an update s rounds late: times (num/den)^s
	LateDen     uint64            `cbor:"late_den" json:"late_den"`
	LateMax     uint64            `cbor:"late_max" json:"late_max"` // rounds; later ones are dropped
	Attempts    uint64            `cbor:"attempts" json:"attempts"` // most updates of a site in a round: without a quorum it trains on meanwhile
	KeepUpdates bool              `cbor:"keep_updates" json:"keep_updates"`
	Train       map[string]string `cbor:"train" json:"train"` // hyperparameters for the trainers
	Nonce       []byte            `cbor:"nonce" json:"nonce"` // 16 random bytes: two runs of one description differ
}

// KindOpen is the kind of the statement by which a site asks for a run; its body is a [RunSpec].
const KindOpen Kind = "open"

var _ = Register[RunSpec](KindOpen, maxSpec)

// Check implements [Body]. What a description may say depends on the roster: see [RunSpec.Validate].
func (s *RunSpec) Check() error { return nil }

// ID returns the run's name: the CID of its description. One that was read from a statement is named by that: see [Signed.ID].
func (s *RunSpec) ID() block.CID { return block.Of(s).CID }

// Default fills what the opener left open, as runs that are opened under a protocol have it.
func (s *RunSpec) Default(protocol uint64) {
	if s.Rule == "" {
		s.Rule = "fedavg"
	}
	s.defaultLate(protocol)
	if s.Attempts == 0 {
		s.Attempts = 3
	}
	if s.Train == nil {
		s.Train = map[string]string{}
	}
}

// Plain reports whether the run averages parameters and does nothing else, as every program can.
func (s *RunSpec) Plain() bool {
	return (s.Rule == "" || s.Rule == "fedavg") && s.Strategy.IsZero()
}

// SpecError says what is wrong with a run's description. It is an ErrMalformed.
type SpecError struct {
	Run   string
	Field string // as run files name it, such as min_sites
	Text  string
}

func (e *SpecError) Error() string { return fmt.Sprintf("run %q: %s: %s", e.Run, e.Field, e.Text) }

// Unwrap returns ErrMalformed.
func (e *SpecError) Unwrap() error { return ErrMalformed }

// Validate says what is wrong with the description for a mesh with this roster that goes by this protocol, if anything: with its form and sizes. Whether
// this program knows the names in it is no part of that, or sites of two versions would disagree about what is decided; nor are
// Strategy, Selection, Constants and Continues, nor Bounds and Pace before protocol 4, which earlier versions pass over.
func (s *RunSpec) Validate(r *Roster, protocol uint64) error {
	bad := func(field, format string, args ...any) error {
		return &SpecError{s.Name, field, fmt.Sprintf(format, args...)}
	}
	switch {
	case !ValidName(s.Name):
		return bad("name", "want 1 to %d bytes of printable text", MaxName)
	case !r.Has(s.By):
		return bad("by", "opener %s is not in the roster", s.By)
	case !s.Base.Defined() || s.Base.Codec() != block.DagCBOR || !s.Layout.Defined() || s.Layout.Codec() != block.DagCBOR:
		return bad("model", "base and layout must be CIDs of a manifest and a layout")
	case s.Rounds == 0 || s.Rounds > MaxRounds:
		return bad("rounds", "%d, want 1 to %d", s.Rounds, MaxRounds)
	case !ValidName(s.Rule):
		return bad("rule", "want 1 to %d bytes of printable text", MaxName)
	case s.MinSites > uint64(r.Len()):
		return bad("min_sites", "%d, the mesh has %d sites", s.MinSites, r.Len())
	case s.SampleCap > MaxSamples:
		return bad("sample_cap", "%d, at most %d", s.SampleCap, uint64(MaxSamples))
	case s.Attempts == 0 || s.Attempts > MaxAttempts:
		return bad("attempts", "%d, want 1 to %d", s.Attempts, MaxAttempts)
	case len(s.Nonce) != 16:
		return bad("nonce", "%d bytes, want 16", len(s.Nonce))
	case len(s.Train) > maxTrain:
		return bad("train", "%d hyperparameters, at most %d", len(s.Train), maxTrain)
	}
	if err := s.checkLate(protocol, bad); err != nil {
		return err
	}
	if _, err := s.Bounds.Read(); err != nil && protocol >= BoundsProtocol {
		return bad("bounds", "%v", err)
	}
	if paced, err := s.Pace.Read(); protocol >= PaceProtocol && err != nil {
		return bad("pace", "%v", err)
	} else if protocol >= PaceProtocol && paced.RoundTime > 0 && s.Late == Carry {
		return bad("late.policy", "carry adds a change to another base as it is, and with round_time changes count by steps: average or drop")
	}
	for k, v := range s.Train {
		if len(k) == 0 || len(k) > maxTrainValue || len(v) > maxTrainValue {
			return bad("train", "%.40q: name and value may have %d bytes each", k, maxTrainValue)
		}
	}
	return nil
}

// Needed returns the fewest updates that a seal of the run may list, with this roster in force.
func (s *RunSpec) Needed(r *Roster) int {
	if s.MinSites == 0 {
		return r.Quorum()
	}
	return int(s.MinSites)
}

// Takers returns the fewest sites that must take part, with this roster in force: those that a seal must list, and a quorum, as
// only a site that holds the updates is ready for a seal.
func (s *RunSpec) Takers(r *Roster) int { return max(r.Quorum(), s.Needed(r)) }

// Weight returns the integer weight of an update that is stale rounds late: its samples, capped,
// times (LateNum/LateDen)^stale rounded down. 0 means that it cannot count.
func (s *RunSpec) Weight(samples, stale uint64) uint64 {
	w := samples
	if s.SampleCap > 0 {
		w = min(w, s.SampleCap)
	}
	for range stale {
		w = w * s.LateNum / s.LateDen // below 2^40 * 1000: no overflow
	}
	return w
}

// OfRun returns the run itself.
func (s *RunSpec) OfRun() block.CID { return s.ID() }
