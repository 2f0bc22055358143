package runs

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// update is an update that has been announced.
type update struct {
	statement *ledger.Signed
	*ledger.Update
	sought  bool // being fetched
	held    bool
	invalid string        // why it cannot be used, once fetched
	at      time.Duration // when it arrived; until then, since when it is known
}

// seek notes that the update is being fetched; it reports whether that is news.
func (u *update) seek() bool {
	if u.held || u.invalid != "" || u.sought {
		return false
	}
	u.sought = true
	return true
}

// arrive notes that the update is held.
func (u *update) arrive(now time.Duration) { u.held, u.sought, u.at = true, true, now }

// begin lets the time since when the update is known count from now on.
func (u *update) begin(now time.Duration) { u.at = now }

// spoil notes that the update can never be used.
func (u *update) spoil(why string) { u.invalid = why }

// lose notes that the update is not held any more, nor being fetched.
func (u *update) lose() { u.held, u.sought = false, false }

// measuredFrom returns the model that the update's change is measured from, undefined in runs without bounds.
func (u *update) measuredFrom(r *ledger.Run) block.CID {
	if !r.Bounded {
		return block.CID{}
	}
	return u.Base
}

// says reports whether the update's author has stated this norm of its change.
func (u *update) says(norm float64) bool {
	stated, ok := u.Norm.Read()
	return ok && stated == norm
}

// usable reports whether the update can be averaged.
func (u *update) usable() bool { return u.held && u.invalid == "" }

// contributor is what a site offers in a run: its updates that may still count.
type contributor struct {
	id      peer.ID
	updates []*update // in the order in which they came
	best    *update   // with which the site would be in a seal formed now; nil: with none
	awaited bool      // it may yet offer one of this round
	first   uint64    // opening of its first update that was held here; 0: none was yet
	skipped *ledger.Skip
	consent *ledger.Signed
	accepts bool
}

// before reports whether an update of the site was held here for an earlier opening, and notes the first.
func (c *contributor) before(opened uint64) bool {
	if c.first == 0 {
		c.first = opened
	}
	return c.first < opened
}

// said reports whether the site has answered on the run.
func (c *contributor) said() bool { return c.consent != nil }

// serial returns that of the site's answer, 0 if it has not answered.
func (c *contributor) serial() uint64 {
	if c.consent == nil {
		return 0
	}
	b, _ := ledger.BodyOf[ledger.Consent](c.consent, ledger.KindConsent) // it was read when it came
	return b.Serial
}

// answer takes the site's answer on the run, unless it has given a newer one.
func (c *contributor) answer(s *ledger.Signed, b *ledger.Consent) bool {
	if c.said() && c.serial() >= b.Serial {
		return false
	}
	c.consent, c.accepts = s, b.Accept
	return true
}

// leave takes the site's answer back: its key is no site's any more.
func (c *contributor) leave() { c.consent, c.accepts = nil, false }

// counts sets with which update the site would be in a seal formed now, and whether it is awaited.
func (c *contributor) counts(best *update, awaited bool) { c.best, c.awaited = best, awaited }

// skip notes that the site has said that it offers nothing for an opening.
func (c *contributor) skip(b *ledger.Skip) { c.skipped = b }

// skips reports whether the site has said that it offers nothing for an opening.
func (c *contributor) skips(opened uint64) bool {
	return c.skipped != nil && c.skipped.Opened == opened
}

// add takes an update of the site.
func (c *contributor) add(s *ledger.Signed, u *ledger.Update, now time.Duration) *update {
	known := &update{statement: s, Update: u, at: now}
	c.updates = append(c.updates, known)
	return known
}

// keep forgets the updates for which f is false.
func (c *contributor) keep(f func(*update) bool) {
	c.updates = slices.DeleteFunc(c.updates, func(u *update) bool { return !f(u) })
}

// at returns the first update of the site in a place, or nil.
func (c *contributor) at(opened, attempt uint64) *update {
	for _, u := range c.updates {
		if u.Opened == opened && u.Attempt == attempt {
			return u
		}
	}
	return nil
}

// offer returns the site's newest update for an opening, or nil.
func (c *contributor) offer(opened uint64) *update {
	var best *update
	for _, u := range c.updates {
		if u.Opened == opened && (best == nil || u.Attempt > best.Attempt) {
			best = u
		}
	}
	return best
}

// find returns the site's update with that manifest for an opening, or nil.
func (c *contributor) find(opened uint64, manifest block.CID) *update {
	for _, u := range c.updates {
		if u.Opened == opened && u.Manifest == manifest {
			return u
		}
	}
	return nil
}
