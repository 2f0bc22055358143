package runs

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

var _ = handle(ledger.KindUpdate, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		return r.of(body.(*ledger.Update).Run).noteUpdate(s)
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		if p := r.of(body.(*ledger.Update).Run); p != nil {
			return p.noteUpdate(s)
		}
		return nil
	},
	own: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		return r.recallUpdate(s, body.(*ledger.Update))
	},
})

// recallUpdate takes an update that this site has announced and does not know of: it stands, and nothing is trained anew in its
// place. Others may hold it.
func (r *Runs) recallUpdate(s *ledger.Signed, u *ledger.Update) error {
	p := r.of(u.Run)
	self := p.offers.of(p.Self)
	if self.at(u.Opened, u.Attempt) != nil {
		return nil
	}
	if _, err := p.Ledger.Staleness(p.run, s); err != nil {
		return nil
	}
	if err := r.env.recall(s); err != nil {
		return err
	}
	if err := p.noteUpdate(s); err != nil {
		return err
	}
	if known := self.at(u.Opened, u.Attempt); known != nil {
		p.seekSoon(known)
	}
	if t := p.training.job; t != nil && t.Opened == u.Opened && t.Attempt <= u.Attempt {
		p.stopTraining()
	}
	return nil
}

// noteUpdate takes an announced update; the signature has been checked.
func (p *state) noteUpdate(s *ledger.Signed) error {
	u, err := ledger.BodyOf[ledger.Update](s, ledger.KindUpdate)
	if err != nil {
		return err
	}
	c := p.offers.of(s.From)
	if c.at(u.Opened, u.Attempt) != nil {
		return nil // the first counts, unless a seal lists another
	}
	if len(c.updates) >= ledger.MaxAttempts*(1+int(p.run.Spec.LateRounds())) {
		return nil
	}
	if s.Size() > p.roster().UpdateBytes() {
		return fmt.Errorf("update: %w: %d bytes, a seal of %d sites has room for %d", ledger.ErrMalformed, s.Size(), p.roster().Len(), p.roster().UpdateBytes())
	}
	if _, err := p.Ledger.Staleness(p.run, s); err != nil {
		p.Out.Trace(trace.UpdateStale{Subject: trace.In(u.Run, u.Round).Of(s.From), Why: err.Error()})
		return nil // late, not wrong
	}
	known := p.offers.add(s, u, p.now())
	if u.Opened == p.run.Opened {
		p.Sites.Heard(s.From, p.now())
	}
	if s.From == p.Self {
		p.Out.Publish(s, 0, func(uint64) bool { return canCount(p, u) }) // and it is held, or sought after a restart
		p.unsought = p.unsought || !p.begun
	} else {
		p.seekSoon(known)
	}
	return nil
}

// canCount reports whether an own update can still come into a seal.
func canCount(p *state, u *ledger.Update) bool {
	if !p.run.Active() || p.offers.of(p.Self).find(u.Opened, u.Manifest) == nil {
		return false
	}
	latest := p.run.Latest()
	return latest == nil || !slices.Contains(latest.Contributors(), p.Self)
}

// noteSealed takes the updates that a seal lists, whatever else is known of their authors: another site
// may have locked it, and once it is decided the round's model is made of them.
func (p *state) noteSealed(seal *ledger.Seal) {
	for i := range seal.Updates {
		s := &seal.Updates[i].Update
		_ = p.noteUpdate(s) // the seal stands or falls without it
		c, u := p.offers.of(s.From), s.Update()
		known := c.find(u.Opened, u.Manifest)
		if known == nil {
			known = p.offers.add(s, u, p.now())
		}
		p.seekSoon(known) // one's own too, after the loss of a disk
	}
}

// recount finds the update with which a site would be in a seal formed now, and whether it is awaited.
func (p *state) recount(c *contributor) {
	best := p.countable(c)
	awaited := (c.accepts || !c.said()) && (best == nil || best.Round != p.run.Round) && !c.skips(p.run.Opened) && !p.Proofs.Accused(c.id) && p.roster().Has(c.id) &&
		!p.Ledger.JoinedAfter(c.id, p.run.Opened) // a site that began later than the others is not waited for
	p.offers.counts(c, best, awaited)
	p.formed = formed{}
	p.touch()
	p.noteEnough()
}

// countable returns a site's highest attempt for this opening that is held, or else its newest late update;
// nil if the site is proven to lie.
func (p *state) countable(c *contributor) (best *update) {
	if p.Proofs.Accused(c.id) || !p.roster().Has(c.id) {
		return nil
	}
	for _, u := range c.updates {
		if !u.usable() {
			continue
		}
		stale, err := p.Ledger.Staleness(p.run, u.statement)
		if err != nil || p.run.Spec.Weight(u.Samples, stale) == 0 {
			continue
		}
		if best == nil || u.Opened > best.Opened || u.Opened == best.Opened && u.Attempt > best.Attempt {
			best = u
		}
	}
	return best
}

// useless says why a site's update for the current opening, which has come, is in no seal formed now; nothing if it is in one, or
// has not come.
func useless(p *state, c *contributor) string {
	u := c.offer(p.run.Opened)
	if u == nil || c.best != nil && c.best.Opened == p.run.Opened {
		return ""
	}
	_, stale := p.Ledger.Staleness(p.run, u.statement)
	switch {
	case u.invalid != "":
		return u.invalid
	case !u.held:
		return ""
	case p.Proofs.Accused(c.id):
		return "it has signed two statements for one place"
	case !p.roster().Has(c.id):
		return "it is no site any more"
	case stale != nil:
		return stale.Error()
	}
	return "it weighs nothing, by the samples that it states"
}

func (p *state) recountAll() {
	for _, c := range p.offers.order {
		p.recount(c)
	}
}

// dropUpdates forgets the updates that cannot count any more: those of a committed seal, and those
// that have become too old. Late ones that the run's policy carries stay.
func (p *state) dropUpdates(sealed *ledger.Seal) {
	r := p.run
	used := map[peer.ID]bool{}
	if sealed != nil {
		for _, id := range sealed.Contributors() {
			used[id] = true
		}
	}
	latest := r.Latest() // what is sealed stays, though its author may be gone
	var gone []block.CID
	stay := map[block.CID]bool{} // also because of another site's update with the same bytes
	p.offers.keep(func(c *contributor, u *update) bool {
		_, err := p.Ledger.Staleness(r, u.statement)
		counts := r.Active() && (err == nil || latest != nil && latest.Lists(u.Manifest))
		if counts || used[c.id] && r.Spec.KeepUpdates || u.held && r.Crosses(u.Manifest) {
			stay[u.Manifest] = true
		} else if u.held || u.sought || c.id == p.Self {
			gone = append(gone, u.Manifest)
		}
		return counts
	})
	for _, c := range gone {
		if !stay[c] {
			p.forget(c)
		}
	}
	p.recountAll()
}
