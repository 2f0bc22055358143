package consensus

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// height is the agreement on the entry after the head: single-shot Tendermint (Buchman, Kwon,
// Milosevic, arXiv 1807.04938, algorithm 1; "round" there is "view" here).
type height struct {
	number uint64
	parent block.CID
	opened bool // something is to be decided: a quorum is ready, or a message of the height came

	candidates map[block.CID]*candidate
	mentions   map[peer.ID]int // candidates that each site was the first to speak of here
	told       map[peer.ID]int // entries that each site has told
	brought    map[peer.ID]int // entries that each site's proposals have brought, not known before
	tellAt     time.Duration   // the soonest of the candidates'

	view  uint64
	ripe  int64 // view in which a quorum was first ready for a candidate; -1: none is
	step  step
	since time.Duration // when the view began

	prevoteBy, precommitBy time.Duration // when waiting for the rest of a quorum's votes ends; 0: not yet

	proposals  map[uint64]*proposal
	prevotes   map[uint64]*tally
	precommits map[uint64]*tally
	views      map[peer.ID]uint64 // newest view each site has spoken of
	newer      bool               // a site may have spoken of a view after ours
	news       bool               // votes or entries have come since it was looked whether one is decided

	locked     block.CID // what this site has precommitted last
	lockedView int64     // -1: nothing
	valid      block.CID // newest entry that a quorum has prevoted
	validView  int64

	mine map[place]*ledger.Signed // own votes and proposals; never two for one place
}

// candidate is an entry that may be decided at this height, and who is ready for it.
type candidate struct {
	entry  Entry // nil until its bytes are known
	formed bool  // by this site, before another sent it
	ready  map[peer.ID]bool
	tellAt time.Duration // when this site tells its bytes; 0: it does not, or has
	tried  int           // views in which it was proposed
	offers int           // of them those in which this site proposed it
}

type proposal struct {
	statement *ledger.Signed
	*Proposal
	entry Entry
	proof int // sites whose prevotes for the entry, in its valid view, it brings
}

// place is where a site may speak once.
type place struct {
	kind ledger.Kind
	view uint64
}

type step uint8

const (
	stepPropose step = iota
	stepPrevote
	stepPrecommit
)

func newHeight(number uint64, parent block.CID) *height {
	return &height{
		number: number, parent: parent, ripe: -1, lockedView: -1, validView: -1, tellAt: never,
		candidates: map[block.CID]*candidate{}, mentions: map[peer.ID]int{}, told: map[peer.ID]int{}, brought: map[peer.ID]int{}, proposals: map[uint64]*proposal{},
		prevotes: map[uint64]*tally{}, precommits: map[uint64]*tally{}, views: map[peer.ID]uint64{}, mine: map[place]*ledger.Signed{},
	}
}

func (h *height) votes(kind ledger.Kind, view uint64) *tally {
	in := h.prevotes
	if kind == ledger.KindPrecommit {
		in = h.precommits
	}
	t := in[view]
	if t == nil {
		t = &tally{votes: map[peer.ID]*ledger.Signed{}, count: map[block.CID]int{}}
		in[view] = t
	}
	return t
}

// keeps reports whether votes of a view are kept: a window around one's own, so that no site can
// fill the memory, and the views that the lock and the valid entry stand on.
func (h *height) keeps(view uint64) bool {
	return view <= h.view+MaxViewsAhead && view+MaxViewsBehind >= h.view || is(h.validView, view) || is(h.lockedView, view)
}

// is compares a view that may be none, -1, with one.
func is(maybe int64, view uint64) bool { return maybe >= 0 && uint64(maybe) == view }

// timers tells soonest when the view's timeouts end.
func (h *height) timers(timeout time.Duration, soonest func(time.Duration)) {
	soonest(h.tellAt)
	if !h.opened {
		return
	}
	switch {
	case h.step == stepPropose:
		soonest(h.since + timeout)
	case h.step == stepPrevote && h.prevoteBy > 0:
		soonest(h.prevoteBy)
	}
	if h.precommitBy > 0 {
		soonest(h.precommitBy)
	}
}

// candidate returns the candidate with that CID, making it.
func (h *height) candidate(c block.CID) *candidate {
	known := h.candidates[c]
	if known == nil {
		known = &candidate{ready: map[peer.ID]bool{}}
		h.candidates[c] = known
	}
	return known
}
