package consensus

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Config is what an agreement is given for good.
type Config struct {
	Mesh   block.CID
	Self   peer.ID
	Timing Timing
	App    App
	Out    Out
	Voice  *Voice
}

// Agreement is one site's part in agreeing on the entry after the head. Its methods must not be called
// concurrently.
type Agreement struct {
	mesh    block.CID
	self    peer.ID
	timing  Timing
	app     App
	out     Out
	voice   *Voice
	roster  *ledger.Roster
	height  *height
	past    []*height     // those decided last, newest first: their votes may still prove a lie; a past one's view is its certificate's
	pace    time.Duration // propose timeout of view 0; grows with failed views, shrinks with quick heights
	version uint64
}

// New returns the agreement on the entry after parent, the first one being at height number.
func New(cfg Config, number uint64, parent block.CID, roster *ledger.Roster) *Agreement {
	return &Agreement{
		mesh: cfg.Mesh, self: cfg.Self, timing: cfg.Timing, app: cfg.App, out: cfg.Out, voice: cfg.Voice,
		roster: roster, pace: cfg.Timing.Propose, height: newHeight(number, parent),
	}
}

// Begin makes the times of what was restored count from now on: a log has no clock.
func (a *Agreement) Begin() { a.height.begin(a.out.Now()) }

// Version counts the changes that may make this site ready for another candidate.
func (a *Agreement) Version() uint64 { return a.version }

// Number returns the height that is being decided.
func (a *Agreement) Number() uint64 { return a.height.number }

// View returns the current view.
func (a *Agreement) View() uint64 { return a.height.view }

// Alarm tells soonest when something is due.
func (a *Agreement) Alarm(soonest func(time.Duration)) { a.height.timers(a.timeout(), soonest) }

// Decided turns to the height after a decided entry: how long it took sets the pace, and the votes of
// the certificate's view are kept for a while. [Agreement.Advance] follows, once the entry is part of the ledger.
func (a *Agreement) Decided(cert *ledger.Certificate) {
	if tries := a.height.tries(); tries > 0 {
		a.pace = a.timing.viewTimeout(a.pace, tries)
	} else {
		a.pace = max(a.timing.Propose, a.pace*3/4)
	}
	a.past = slices.Insert(a.past, 0, a.height.decided(cert))
	a.past = a.past[:min(len(a.past), MaxPast)]
	a.version++
}

// Advance begins the next height with the roster that is in force there.
func (a *Agreement) Advance(number uint64, parent block.CID, roster *ledger.Roster) {
	a.roster = roster
	a.height = newHeight(number, parent)
	a.voice.decided(number - 1)
}

// muted reports whether this site must not vote.
func (a *Agreement) muted() bool { return a.voice.Muted() || !a.roster.Has(a.self) }

// Each calls f for every candidate whose bytes are known, in the order of their CIDs, with the sites
// that are ready for it, in the roster's order.
func (a *Agreement) Each(f func(e Entry, ready []peer.ID)) {
	for _, id := range a.height.order() {
		c := a.height.candidates[id]
		if c.entry == nil {
			continue
		}
		var ready []peer.ID
		for _, site := range a.roster.Sites() {
			if c.ready[site.ID] {
				ready = append(ready, site.ID)
			}
		}
		f(c.entry, ready)
	}
}
