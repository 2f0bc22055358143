package ledger

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Seal fixes which updates go into a round, in which order and with which weights.
type Seal struct {
	Run     block.CID      `cbor:"run" json:"run"`
	Round   uint64         `cbor:"round" json:"round"`
	Opened  uint64         `cbor:"opened" json:"opened"` // height of the entry that opened the round
	Number  uint64         `cbor:"number" json:"number"` // seals of this opening before it
	Ground  *Ground        `cbor:"ground,omitempty" json:"ground,omitempty"`
	Updates []SealedUpdate `cbor:"updates" json:"updates"` // ascending by site
}

// SealedUpdate is an update with the weight it has in the average.
type SealedUpdate struct {
	Update Signed `cbor:"update" json:"update"` // kind "update"
	Weight uint64 `cbor:"weight" json:"weight"`
}

// Ground says why a seal replaces the one before it or voids the round.
type Ground struct {
	Kind    GroundKind `cbor:"kind" json:"kind"`
	Dropped []peer.ID  `cbor:"dropped" json:"dropped"` // whose updates; ascending
	Shard   block.CID  `cbor:"shard" json:"shard"`     // invalid: a shard that every voter checks
}

// GroundKind is unavailable or invalid.
type GroundKind string

const (
	Unavailable GroundKind = "unavailable" // nobody can fetch it
	Invalid     GroundKind = "invalid"     // it cannot be aggregated
)

var _ = registerEntry[Seal]()

// Kind implements [Decision].
func (s *Seal) Kind() string { return "seal" }

// About implements [Decision].
func (s *Seal) About() block.CID { return s.Run }

// String implements [Decision].
func (s *Seal) String() string {
	return fmt.Sprintf("seal %d.%d (%d updates)", s.Round, s.Number, len(s.Updates))
}

func (s *Seal) apply(l *Ledger, e *Entry) {
	r := l.runs[s.Run]
	r.drop(s.Ground)
	r.Seals = append(r.Seals, SealAt{e.Height, e.CID(), s})
}

// Inputs returns what the round of a seal of the run is reduced from, in seal order.
func (r *Run) Inputs(s *Seal) []Input {
	list := make([]Input, len(s.Updates))
	for i := range s.Updates {
		u := s.Updates[i].Update.Update()
		list[i] = Input{Site: s.Updates[i].Update.From, Manifest: u.Manifest, Weight: s.Updates[i].Weight}
		if u.Round != s.Round && r.Spec.Late == Carry {
			list[i].Base = u.Base
		}
		if u.Round == s.Round && r.Paced.RoundTime > 0 {
			list[i].Steps, _ = u.Steps.Read() // decided, so it states them
		}
	}
	return list
}

// check holds the rules of seals: the first lists enough valid updates, a later one drops
// some of the seal before it and says why.
func (s *Seal) check(l *Ledger, e *Entry) error {
	r, err := l.current(e)
	if err != nil {
		return err
	}
	switch {
	case s.Round != r.Round || s.Opened != r.Opened:
		return invalid(e, "for round %d opened at %d, current is round %d opened at %d", s.Round, s.Opened, r.Round, r.Opened)
	case s.Number != uint64(len(r.Seals)):
		return invalid(e, "number %d, the next is %d", s.Number, len(r.Seals))
	case len(s.Updates) < r.Spec.Needed(l.roster):
		return invalid(e, "%d updates, the run wants %d", len(s.Updates), r.Spec.Needed(l.roster))
	case (s.Number == 0) != (s.Ground == nil):
		return invalid(e, "seal %d: a ground stands exactly in the seals after the first", s.Number)
	}
	if s.Number > 0 {
		rest, err := l.Remaining(r, s.Ground)
		if err != nil {
			return invalid(e, "%v", err)
		}
		same := slices.EqualFunc(rest, s.Updates, func(a, b SealedUpdate) bool {
			return a.Weight == b.Weight && sameStatement(&a.Update, &b.Update)
		})
		if !same {
			return invalid(e, "seal %d is not seal %d without what it drops", s.Number, s.Number-1)
		}
		return nil // the rest was checked with the seal before
	}
	for i := range s.Updates {
		if i > 0 && CompareIDs(s.Updates[i-1].Update.From, s.Updates[i].Update.From) >= 0 {
			return invalid(e, "sites must ascend and differ")
		}
		if err := l.checkSealed(r, &s.Updates[i]); err != nil {
			return invalid(e, "update of %s: %v", l.roster.Name(s.Updates[i].Update.From), err)
		}
	}
	return l.checkWeights(r, e, s)
}

// checkWeights holds the weights of a round's first seal.
func (l *Ledger) checkWeights(r *Run, e *Entry, s *Seal) error {
	var total uint64
	for i, w := range l.Weights(r, s) {
		if s.Updates[i].Weight != w {
			return invalid(e, "update of %s: weight %d, its samples give %d", l.roster.Name(s.Updates[i].Update.From), s.Updates[i].Weight, w)
		}
		if total += w; total >= 1<<53 {
			return invalid(e, "weights sum to 2^53 or more")
		}
	}
	return nil
}

func (l *Ledger) checkSealed(r *Run, s *SealedUpdate) error {
	stale, err := l.Staleness(r, &s.Update)
	if err != nil {
		return err
	}
	if r.Spec.Weight(s.Update.Update().Samples, stale) == 0 {
		return fmt.Errorf("its samples give no weight, %d rounds late", stale)
	}
	return s.Update.Verify(l.mesh, l.roster, l.verify)
}

// Remaining returns the updates of the run's latest seal without those that the ground drops.
func (l *Ledger) Remaining(r *Run, g *Ground) ([]SealedUpdate, error) {
	if g.Kind != Unavailable && g.Kind != Invalid || (g.Kind == Invalid) != g.Shard.Defined() {
		return nil, fmt.Errorf("ground %q: want %q, or %q with a shard", g.Kind, Unavailable, Invalid)
	}
	if len(g.Dropped) == 0 || !slices.IsSortedFunc(g.Dropped, CompareIDs) {
		return nil, fmt.Errorf("the ground drops nothing, or not in order")
	}
	var rest []SealedUpdate
	hit := 0
	for _, u := range r.Latest().Updates {
		if _, found := slices.BinarySearchFunc(g.Dropped, u.Update.From, CompareIDs); found {
			hit++
		} else {
			rest = append(rest, u)
		}
	}
	if hit != len(g.Dropped) {
		return nil, fmt.Errorf("the ground drops sites that the seal does not list")
	}
	return rest, nil
}

func sameStatement(a, b *Signed) bool {
	return a.From == b.From && a.Kind == b.Kind && string(a.Body) == string(b.Body) && string(a.Sig) == string(b.Sig)
}

// Lists reports whether a seal lists an update.
func (s *Seal) Lists(manifest block.CID) bool {
	return slices.ContainsFunc(s.Updates, func(u SealedUpdate) bool { return u.Update.Update().Manifest == manifest })
}

// Contributors returns whose updates a seal lists, in its order.
func (s *Seal) Contributors() []peer.ID {
	ids := make([]peer.ID, len(s.Updates))
	for i := range s.Updates {
		ids[i] = s.Updates[i].Update.From
	}
	return ids
}

// Input is a sealed update as the aggregate reads it.
type Input struct {
	Site     peer.ID
	Manifest block.CID
	Weight   uint64
	Steps    uint64    // by which its change counts; 0: it counts as it is, as in runs without a round time, and a late one always
	Base     block.CID // undefined: it counts as it is; else a late update that is carried over from its own base
}
