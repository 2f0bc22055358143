package consensus

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// What a site has said at the height being decided, and may have forgotten: its directory, log and locks with it, was put
// back to an earlier state, as the snapshot of a virtual machine does.

// SaidBy returns the votes and proposals of a site for the height being decided, the newest first. A site signs them in
// the order of views, and in a view proposal, prevote, precommit: so an earlier state of its log lacks the first of these
// if it lacks any.
func SaidBy(a *Agreement, id peer.ID) []*ledger.Signed {
	said := map[place]*ledger.Signed{}
	for view, p := range a.height.proposals {
		if p.statement.From == id {
			said[place{KindProposal, view}] = p.statement
		}
	}
	for kind, views := range map[ledger.Kind]map[uint64]*tally{ledger.KindPrevote: a.height.prevotes, ledger.KindPrecommit: a.height.precommits} {
		for view, t := range views {
			if s := t.votes[id]; s != nil {
				said[place{kind, view}] = s
			}
		}
	}
	var list []*ledger.Signed
	for _, at := range slices.SortedFunc(maps.Keys(said), func(a, b place) int { return b.compare(a) }) {
		list = append(list, said[at])
	}
	return list
}

// compare orders places as a site speaks in them.
func (p place) compare(o place) int {
	step := map[ledger.Kind]int{KindProposal: 0, ledger.KindPrevote: 1, ledger.KindPrecommit: 2}
	return cmp.Or(cmp.Compare(p.view, o.view), cmp.Compare(step[p.kind], step[o.kind]))
}

// ReceiveOwn takes a vote or proposal of this site that another shows it. If this site does not know of it, it has said more
// than its log says, and falls silent. Only what its own key has signed can do that.
func (a *Agreement) ReceiveOwn(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	var number, view uint64
	switch b := body.(type) {
	case *Proposal:
		number, view = b.Height, b.View
	case *ledger.Vote:
		number, view = b.Height, b.View
	default:
		return nil
	}
	h := a.height
	if a.muted() || number != h.number || view+MaxViewsBehind < h.view {
		return nil // of a place in which it will not speak
	}
	if own := h.own(place{s.Kind, view}, a.self); own != nil && bytes.Equal(own.Body, s.Body) {
		return nil
	}
	if err := a.out.Verify(s); err != nil {
		return err
	}
	a.voice.Silence()
	return nil
}

// own returns what this site is known to have said in a place, or nil.
func (h *height) own(at place, self peer.ID) *ledger.Signed {
	if s := h.mine[at]; s != nil {
		return s
	}
	votes := h.prevotes[at.view]
	switch at.kind {
	case KindProposal:
		if p := h.proposals[at.view]; p != nil && p.statement.From == self {
			return p.statement
		}
		return nil
	case ledger.KindPrecommit:
		votes = h.precommits[at.view]
	}
	if votes == nil {
		return nil
	}
	return votes.votes[self]
}
