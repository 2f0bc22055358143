package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindUpdate is the kind of [Update].
const KindUpdate Kind = "update"

var _ = Register[Update](KindUpdate, maxUpdate)

// Update is a site's offer in a round. Two of one site for one attempt are no lie: a site that has forgotten the first trains
// again, and a GPU does not find the same. The others keep the one that they hear of first, and take another if a seal lists it.
type Update struct {
	Run      block.CID          `cbor:"run" json:"run"`
	Round    uint64             `cbor:"round" json:"round"`
	Opened   uint64             `cbor:"opened" json:"opened"`   // height of the entry that opened the round
	Attempt  uint64             `cbor:"attempt" json:"attempt"` // from 1; the highest counts until sealed
	Base     block.CID          `cbor:"base" json:"base"`       // the model it was trained from
	Manifest block.CID          `cbor:"manifest" json:"manifest"`
	Samples  uint64             `cbor:"samples" json:"samples"`
	Metrics  map[string]float64 `cbor:"metrics" json:"metrics"`
	Figures  Figures            `cbor:"figures,omitzero" json:"figures,omitzero"` // of the base; absent if its author has not measured it
	Norm     Norm               `cbor:"norm,omitzero" json:"norm,omitzero"`       // of the change to the base; absent in runs without bounds
	Steps    Steps              `cbor:"steps,omitzero" json:"steps,omitzero"`     // that were trained; absent in runs without a round time
	Lent     bool               `cbor:"lent,omitempty" json:"lent,omitempty"`     // the other sites may measure it, if the run asks for that
}

// Check implements [Body].
func (u *Update) Check() error {
	switch {
	case u.Round == 0 || u.Opened == 0 || u.Attempt == 0:
		return fmt.Errorf("round, opened and attempt count from 1")
	case u.Samples == 0 || u.Samples > MaxSamples:
		return fmt.Errorf("%d samples, want 1 to %d", u.Samples, uint64(MaxSamples))
	case u.Manifest.Codec() != block.DagCBOR || u.Base.Codec() != block.DagCBOR:
		return fmt.Errorf("base and manifest must be CIDs of manifests")
	case len(u.Metrics) > MaxMetrics:
		return fmt.Errorf("%d metrics, at most %d", len(u.Metrics), MaxMetrics)
	}
	return checkMetrics(u.Metrics)
}

// At implements [AtHeight].
func (u *Update) At() uint64 { return u.Opened }

// states reports whether the update says how many steps it was trained.
func (u *Update) states() bool {
	_, ok := u.Steps.Read()
	return ok
}

// OfRun returns the run that the update is for.
func (u *Update) OfRun() block.CID { return u.Run }

// Update returns the body of an update statement that is already part of a decided entry.
func (s *Signed) Update() *Update {
	u, err := BodyOf[Update](s, KindUpdate)
	if err != nil {
		panic(err) // decided entries were checked
	}
	return u
}

// Staleness returns by how many rounds an update is late for the run's current round, or why it
// cannot count in it at all. It does not check the signature.
func (l *Ledger) Staleness(r *Run, s *Signed) (uint64, error) {
	u, err := BodyOf[Update](s, KindUpdate)
	if err != nil {
		return 0, err
	}
	base, begun := r.BaseOf(u.Round)
	switch {
	case !l.roster.Has(s.From):
		return 0, ErrStranger
	case u.Run != r.ID:
		return 0, fmt.Errorf("of another run")
	case u.Round > r.Round || !begun:
		return 0, fmt.Errorf("of round %d, current is %d", u.Round, r.Round)
	case u.Base != base:
		return 0, fmt.Errorf("trained from %s, round %d starts from %s", u.Base, u.Round, base)
	case u.Round <= r.Counted[s.From]:
		return 0, fmt.Errorf("an update of round %d of this site has counted already", r.Counted[s.From])
	case u.Round == r.Round && u.Opened != r.Opened || u.Round < r.Round && u.Opened != r.Commits[u.Round-1].Opened:
		return 0, fmt.Errorf("for an opening of the round that was voided")
	case u.Round < r.Round && l.JoinedAfter(s.From, r.Commits[u.Round-1].Opened):
		return 0, fmt.Errorf("of a round that was open before the site joined, in which its earlier key may have counted")
	case s.Size() > l.roster.UpdateBytes():
		return 0, fmt.Errorf("%d bytes, at most %d", s.Size(), l.roster.UpdateBytes())
	case r.Paced.RoundTime > 0 && !u.states():
		return 0, fmt.Errorf("it states no steps, and the run has a round time")
	case r.spoilt[u.Manifest]:
		return 0, fmt.Errorf("a seal has dropped it as invalid")
	}
	stale := r.Round - u.Round
	if stale > r.Spec.LateRounds() {
		return 0, fmt.Errorf("%d rounds late, the run's policy drops it", stale)
	}
	return stale, nil
}
