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

// begin lets the view begin now.
func (h *height) begin(now time.Duration) { h.since = now }

// open notes that something is to be decided; it reports whether that is news.
func (h *height) open(now time.Duration) bool {
	if h.opened {
		return false
	}
	h.opened, h.since = true, now
	return true
}

// ripen notes that a quorum is ready for a candidate: the timeouts count from here.
func (h *height) ripen(now time.Duration) {
	if h.ripe < 0 {
		h.ripe, h.since = int64(h.view), now
	}
}

// enter turns to a view and forgets what is too far from it.
func (h *height) enter(view uint64, now time.Duration) {
	h.view, h.step, h.since, h.prevoteBy, h.precommitBy = view, stepPropose, now, 0, 0
	for v := range h.prevotes {
		if !h.keeps(v) {
			delete(h.prevotes, v)
		}
	}
	for v := range h.precommits {
		if !h.keeps(v) {
			delete(h.precommits, v)
		}
	}
	for v := range h.proposals {
		if !h.keeps(v) {
			delete(h.proposals, v)
		}
	}
	h.newer = true
}

// reach notes that this site has come to a step of its view.
func (h *height) reach(s step) { h.step = s }

// lock notes that this site is about to precommit an entry.
func (h *height) lock(c block.CID, view uint64) {
	h.locked, h.lockedView = c, int64(view)
	h.noteValid(c, view)
}

// noteValid notes that a quorum has prevoted an entry.
func (h *height) noteValid(c block.CID, view uint64) { h.valid, h.validView = c, int64(view) }

// waitForPrevotes lets the wait for the rest of the prevotes end at a time.
func (h *height) waitForPrevotes(until time.Duration) { h.prevoteBy = until }

// waitForPrecommits lets the wait for the rest of the precommits end at a time.
func (h *height) waitForPrecommits(until time.Duration) { h.precommitBy = until }

// speak keeps an own vote or proposal: nothing else is said in its place.
func (h *height) speak(at place, s *ledger.Signed) { h.mine[at] = s }

// fallSilent forgets what was said in views before the last: a view that has passed is not spoken in again.
func (h *height) fallSilent() {
	for at := range h.mine {
		if at.view+1 < h.view {
			delete(h.mine, at)
		}
	}
}

// resume goes on from an own vote or proposal of the log.
func (h *height) resume(s *ledger.Signed, view uint64) {
	h.opened = true
	if view > h.view {
		h.view, h.step = view, stepPropose
	}
	h.mine[place{s.Kind, view}] = s
}

// resumeLock goes on from a lock of the log.
func (h *height) resumeLock(c block.CID, view uint64) {
	h.opened = true
	h.lock(c, view)
}

// stir notes that votes or entries have come since it was looked whether one is decided.
func (h *height) stir() { h.news = true }

// takeNews reports whether votes or entries have come since it was asked last.
func (h *height) takeNews() bool {
	news := h.news
	h.news = false
	return news
}

// takeNewer reports whether a site may have spoken of a newer view since it was asked last.
func (h *height) takeNewer() bool {
	newer := h.newer
	h.newer = false
	return newer
}

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
