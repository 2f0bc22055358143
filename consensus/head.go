package consensus

import (
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Votes is what a site has seen in a view: for the proposal and each roster position's vote a mark, 0 if
// it lacks it. Two sites whose marks differ have been told different things by one author.
type Votes struct {
	View       uint64 `cbor:"view"`
	Proposal   uint64 `cbor:"proposal"`
	Prevotes   []byte `cbor:"prevotes"`
	Precommits []byte `cbor:"precommits"`
}

// Seen returns what this site has seen in the current view, and of the heights decided last, newest
// first, each in the view of its certificate.
func (a *Agreement) Seen() (now Votes, past []Votes) {
	past = []Votes{}
	for _, h := range a.past {
		past = append(past, h.seen(a.roster, h.view))
	}
	return a.height.seen(a.roster, a.height.view), past
}

// Gap gives the statements that a site of this height lacks and this site has, and those of which it has
// another version: their author has signed twice for one place.
func (a *Agreement) Gap(now *Votes, past []Votes, give func(*ledger.Signed)) {
	h := a.height
	if ahead := now.View < h.view; h.opened && now.View <= h.view {
		if p := h.proposals[h.view]; p != nil && (ahead || now.Proposal != mark(p.entry.CID())) {
			give(p.statement)
		}
		if h.keeps(now.View) {
			h.gap(a.roster, now, true, give)
		}
		if ahead { // which let it leave its view
			h.gap(a.roster, &Votes{View: h.view}, true, give)
		}
	}
	for i, h := range a.past {
		if i >= len(past) || past[i].View != h.view {
			continue
		}
		if p := h.proposals[h.view]; p != nil && past[i].Proposal != 0 && past[i].Proposal != mark(p.entry.CID()) {
			give(p.statement)
		}
		h.gap(a.roster, &past[i], false, give)
	}
}

// gap gives the votes of a view that differ from those another site has, and with lacking
// those that it lacks.
func (h *height) gap(r *ledger.Roster, theirs *Votes, lacking bool, give func(*ledger.Signed)) {
	of := func(kind ledger.Kind, marks []byte) {
		for i, site := range r.Sites() {
			s := h.votes(kind, theirs.View).votes[site.ID]
			if s == nil {
				continue
			}
			v, _ := ledger.BodyOf[ledger.Vote](s, kind)
			their := byte(0)
			if i < len(marks) {
				their = marks[i]
			}
			if their == 0 && lacking || their != 0 && their != byte(mark(v.Entry)) {
				give(s)
			}
		}
	}
	of(ledger.KindPrevote, theirs.Prevotes)
	of(ledger.KindPrecommit, theirs.Precommits)
}

// seen tells what is known of a view.
func (h *height) seen(r *ledger.Roster, view uint64) Votes {
	v := Votes{View: view, Prevotes: h.marks(r, ledger.KindPrevote, view), Precommits: h.marks(r, ledger.KindPrecommit, view)}
	if p := h.proposals[view]; p != nil {
		v.Proposal = mark(p.entry.CID())
	}
	return v
}

func (h *height) marks(r *ledger.Roster, kind ledger.Kind, view uint64) []byte {
	b := make([]byte, r.Len())
	for id, s := range h.votes(kind, view).votes {
		if i, ok := r.Index(id); ok { // the last height may have had another roster
			v, _ := ledger.BodyOf[ledger.Vote](s, kind)
			b[i] = byte(mark(v.Entry))
		}
	}
	return b
}

// mark is a short name of an entry in a head: 1 for nil, 2 to 255 by the CID.
func mark(c block.CID) uint64 {
	if !c.Defined() {
		return 1
	}
	d := c.Digest()
	return 2 + uint64(d[len(d)-1])%254
}
