package ledger

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Inputs returns what the seal's round is reduced from, in seal order.
func (s *Seal) Inputs() []Input {
	list := make([]Input, len(s.Updates))
	for i := range s.Updates {
		u := s.Updates[i].Update.Update()
		list[i] = Input{Site: s.Updates[i].Update.From, Manifest: u.Manifest, Weight: s.Updates[i].Weight}
		if u.Round != s.Round {
			list[i].Base = u.Base
		}
	}
	return list
}

// checkSeal holds the rules of seals: the first lists enough valid updates, a later one drops
// some of the seal before it and says why.
func (l *Ledger) checkSeal(e *Entry, r *Run) error {
	s := e.Seal
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
	var total uint64
	for i := range s.Updates {
		if i > 0 && CompareIDs(s.Updates[i-1].Update.From, s.Updates[i].Update.From) >= 0 {
			return invalid(e, "sites must ascend and differ")
		}
		if err := l.checkSealed(r, &s.Updates[i]); err != nil {
			return invalid(e, "update of %s: %v", l.roster.Name(s.Updates[i].Update.From), err)
		}
		if total += s.Updates[i].Weight; total >= 1<<53 {
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
	if w := r.Spec.Weight(s.Update.Update().Samples, stale); s.Weight != w || w == 0 {
		return fmt.Errorf("weight %d, its samples give %d", s.Weight, w)
	}
	return s.Update.Verify(l.mesh, l.roster, l.verify)
}

// staleness returns by how many rounds an update is late for the run's current round, or why it
// cannot count in it at all. It does not check the signature.
func (l *Ledger) Staleness(r *Run, s *Signed) (uint64, error) {
	u, err := Body[Update](s, KindUpdate)
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
	case r.spoilt[u.Manifest]:
		return 0, fmt.Errorf("a seal has dropped it as invalid")
	}
	stale := r.Round - u.Round
	if stale > 0 && (r.Spec.Late != Carry || stale > r.Spec.LateMax) {
		return 0, fmt.Errorf("%d rounds late, the run's policy drops it", stale)
	}
	return stale, nil
}

// dropped returns the updates of the run's latest seal without those that the ground drops.
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

func (l *Ledger) checkVoid(e *Entry, r *Run) error {
	v := e.Void
	latest := r.Latest()
	if latest == nil || v.Round != r.Round || v.Seal != latest.CID {
		return invalid(e, "does not name round %d's latest seal", r.Round)
	}
	rest, err := l.Remaining(r, &v.Ground)
	if err != nil {
		return invalid(e, "%v", err)
	}
	if len(rest) >= r.Spec.Needed(l.roster) {
		return invalid(e, "%d updates remain, enough for another seal", len(rest))
	}
	return nil
}

func sameStatement(a, b *Signed) bool {
	return a.From == b.From && a.Kind == b.Kind && string(a.Body) == string(b.Body) && string(a.Sig) == string(b.Sig)
}

// lists reports whether a seal lists an update.
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
	Base     block.CID // undefined: the round's; else a late update's own
}
