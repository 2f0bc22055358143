package consensus

import (
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// The rules of the agreement, each with its line in algorithm 1 of arXiv 1807.04938. Weft adds
// readiness: a site that lacks an entry's inputs withholds its prevote until the timeout and never precommits.

// Step applies the first rule that can be applied, deciding excepted; it reports whether one could.
func (a *Agreement) Step() bool {
	if !a.height.opened || a.voice.Held() {
		return false
	}
	return a.skipAhead() || a.propose() || a.prevote() || a.precommit() || a.timeouts()
}

// Certified is line 49: it returns an entry that a quorum has precommitted in one view, if there is one.
func (a *Agreement) Certified() (Entry, *ledger.Certificate, bool) {
	h := a.height
	if !h.takeNews() {
		return nil, nil, false
	}
	first, found := uint64(0), block.CID{}
	for view, t := range h.precommits {
		if found.Defined() && view > first {
			continue
		}
		c, _ := t.quorum(a.roster.Quorum())
		if known := h.candidates[c]; known != nil && known.entry != nil {
			first, found = view, c
		}
	}
	if !found.Defined() {
		return nil, nil, false
	}
	return h.candidates[found].entry, h.certificate(a.mesh, first, found), true
}

// certificate returns the precommits of a view for an entry.
func (h *height) certificate(mesh block.CID, view uint64, c block.CID) *ledger.Certificate {
	cert := &ledger.Certificate{Mesh: mesh, Height: h.number, View: view, Entry: c}
	for _, s := range h.precommits[view].of(c) {
		cert.Votes = append(cert.Votes, ledger.CertVote{From: s.From, Sig: s.Sig})
	}
	return cert
}

// skipAhead is line 55: f+1 sites are in a newer view, so a correct one is.
func (a *Agreement) skipAhead() bool {
	h := a.height
	if !h.takeNewer() {
		return false
	}
	newer := make([]uint64, 0, len(h.views))
	for _, v := range h.views {
		if v > h.view {
			newer = append(newer, v)
		}
	}
	if len(newer) < a.roster.F()+1 {
		return false
	}
	slices.Sort(newer)
	a.startView(newer[len(newer)-a.roster.F()-1]) // the newest that f+1 sites have reached
	return true
}

func (a *Agreement) startView(view uint64) {
	h := a.height
	left := h.view
	h.enter(view, a.out.Now())
	a.out.Note(Note{Kind: ViewBegun, Height: h.number, View: view})
	a.voteBehind(left)
	h.fallSilent()
}

// voteBehind votes nil in the views from one on that this site has left, wherever it has not voted. Whatever moved
// it on may be forgotten, by it and by whoever said it: others that are still there must not miss its vote for ever.
func (a *Agreement) voteBehind(from uint64) {
	h := a.height
	for view := max(from, h.view-min(h.view, MaxViewsBehind)); view < h.view; view++ {
		a.voteIn(view, ledger.KindPrevote, block.CID{})
		a.voteIn(view, ledger.KindPrecommit, block.CID{})
	}
}

// propose is line 14: the view's proposer offers the valid entry, or else the best candidate.
func (a *Agreement) propose() bool {
	h := a.height
	if h.step != stepPropose || h.proposals[h.view] != nil || a.roster.Proposer(h.parent, h.view) != a.self || a.muted() {
		return false
	}
	if h.mine[place{KindProposal, h.view}] != nil {
		return false
	}
	b := &Proposal{Height: h.number, View: h.view, ValidView: h.validView}
	var e Entry
	if h.validView >= 0 {
		e = h.candidates[h.valid].entry
		b.Polka = h.votes(ledger.KindPrevote, uint64(h.validView)).of(h.valid)
	} else if e = a.best(); e == nil {
		return false
	}
	b.Entry = e.Data()
	s := a.out.Sign(KindProposal, b)
	h.speak(place{KindProposal, h.view}, s)
	h.keepProposal(&proposal{s, b, e, len(b.Polka)})
	h.candidates[e.CID()].offer()
	a.out.Save(s)
	a.publishProposal(s, b)
	a.out.Note(Note{Kind: Proposed, Height: h.number, View: h.view, CID: e.CID(), Entry: e})
	return true
}

// prevote is lines 22 and 28.
func (a *Agreement) prevote() bool {
	h := a.height
	p := h.proposals[h.view]
	if h.step != stepPropose || p == nil {
		return false
	}
	c := p.entry.CID()
	proven := p.ValidView >= 0 && p.proof >= a.roster.Quorum()
	free := h.lockedView < 0 || h.locked == c || p.ValidView >= 0 && h.lockedView <= p.ValidView
	switch {
	case !free:
		a.voteIn(h.view, ledger.KindPrevote, block.CID{})
	case a.mayVote(c, proven) && (proven || h.locked == c || !h.outdone(a.app, a.roster.Quorum(), a.self, p.entry)):
		a.voteIn(h.view, ledger.KindPrevote, c)
	default:
		return false // withheld until ready or the timeout
	}
	h.reach(stepPrevote)
	return true
}

// precommit is lines 36 and 44, and the start of the timeouts in lines 34 and 47.
func (a *Agreement) precommit() bool {
	h := a.height
	q := a.roster.Quorum()
	pre := h.votes(ledger.KindPrevote, h.view)
	timeout := a.timeout()
	c, _ := pre.quorum(q)
	if known := h.candidates[c]; known != nil && known.entry != nil && h.step >= stepPrevote {
		if h.step == stepPrevote && a.mayVote(c, true) {
			h.lock(c, h.view)
			if !a.muted() {
				a.out.SaveLock(&Lock{h.number, h.view, known.entry.Data(), pre.of(c)})
			}
			a.voteIn(h.view, ledger.KindPrecommit, c)
			h.reach(stepPrecommit)
			return true
		}
		if h.validView < int64(h.view) {
			h.noteValid(c, h.view)
			return true
		}
	}
	if h.step == stepPrevote && pre.count[block.CID{}] >= q {
		a.voteIn(h.view, ledger.KindPrecommit, block.CID{})
		h.reach(stepPrecommit)
		return true
	}
	if h.step == stepPrevote && h.prevoteBy == 0 && len(pre.votes) >= q {
		h.waitForPrevotes(a.out.Now() + timeout)
	}
	if h.precommitBy == 0 && len(h.votes(ledger.KindPrecommit, h.view).votes) >= q {
		h.waitForPrecommits(a.out.Now() + timeout)
	}
	return false
}

// timeouts is lines 57, 61 and 65; and a view that a quorum precommits nil in ends at once, since
// nothing can be decided in it any more.
func (a *Agreement) timeouts() bool {
	h := a.height
	timeout := a.timeout()
	switch {
	case h.precommitBy > 0 && a.out.Now() >= h.precommitBy, h.votes(ledger.KindPrecommit, h.view).count[block.CID{}] >= a.roster.Quorum():
		a.startView(h.view + 1)
	case h.step == stepPropose && a.out.Now() >= h.since+timeout:
		a.voteIn(h.view, ledger.KindPrevote, block.CID{})
		h.reach(stepPrevote)
	case h.step == stepPrevote && h.prevoteBy > 0 && a.out.Now() >= h.prevoteBy:
		a.voteIn(h.view, ledger.KindPrecommit, block.CID{})
		h.reach(stepPrecommit)
	default:
		return false
	}
	return true
}

// voteIn signs a vote, unless one was signed for that place before.
func (a *Agreement) voteIn(view uint64, kind ledger.Kind, c block.CID) {
	h := a.height
	at := place{kind, view}
	if a.muted() || h.mine[at] != nil {
		return
	}
	s := a.out.Sign(kind, &ledger.Vote{Height: h.number, View: view, Entry: c})
	h.speak(at, s)
	h.votes(kind, view).add(s, c)
	h.stir()
	a.out.Save(s)
	a.publishVote(s, h.number, view)
	said := Prevoted
	if kind == ledger.KindPrecommit {
		said = Precommitted
	}
	a.out.Note(Note{Kind: said, Height: h.number, View: view, CID: c})
}
