package round

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// update is an update that has been announced.
type update struct {
	by        *contributor
	statement *ledger.Signed
	*ledger.Update
	sought  bool // being fetched
	held    bool
	invalid string // why it cannot be used, once fetched
	at      time.Duration
}

// contributor is what a site offers in a run: its updates that may still count.
type contributor struct {
	id      peer.ID
	updates []*update // in the order in which they came
	best    *update   // with which the site would be in a seal formed now; nil: with none
	awaited bool      // it may yet offer one of this round
	consent *ledger.Signed
	accepts bool
}

// said reports whether the site has answered on the run.
func (c *contributor) said() bool { return c.consent != nil }

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

// contributor returns what a site offers, which may be nothing yet.
func (p *part) contributor(id peer.ID) *contributor {
	c := p.sites[id]
	if c == nil {
		c = &contributor{id: id}
		p.sites[id] = c
		at, _ := slices.BinarySearchFunc(p.order, id, func(o *contributor, id peer.ID) int { return ledger.CompareIDs(o.id, id) })
		p.order = slices.Insert(p.order, at, c)
	}
	return c
}

// noteUpdate takes an announced update; the signature has been checked.
func (m *Machine) noteUpdate(p *part, s *ledger.Signed) error {
	u, err := ledger.BodyOf[ledger.Update](s, ledger.KindUpdate)
	if err != nil {
		return err
	}
	c := p.contributor(s.From)
	for _, old := range c.updates {
		if old.Opened == u.Opened && old.Attempt == u.Attempt {
			return m.double(old.statement, s)
		}
	}
	if len(c.updates) >= ledger.MaxAttempts*(1+int(p.run.Spec.LateMax)) {
		return nil
	}
	if s.Size() > m.roster.UpdateBytes() {
		return fmt.Errorf("update: %w: %d bytes, a seal of %d sites has room for %d", ledger.ErrMalformed, s.Size(), m.roster.Len(), m.roster.UpdateBytes())
	}
	if _, err := m.ledger.Staleness(p.run, s); err != nil {
		m.trace(Trace{Event: "stale update", Site: s.From, Run: u.Run, Round: u.Round, Text: err.Error()})
		return nil // late, not wrong
	}
	known := p.add(c, s, u)
	if s.From == m.self {
		m.publish(s, 0) // and it is held, or sought after a restart
		p.unsought = p.unsought || !m.begun
	} else {
		m.seekSoon(p, known)
	}
	return nil
}

// noteSealed takes the updates that a seal lists, whatever else is known of their authors: another site
// may have locked it, and once it is decided the round's model is made of them.
func (m *Machine) noteSealed(p *part, seal *ledger.Seal) {
	for i := range seal.Updates {
		s := &seal.Updates[i].Update
		_ = m.noteUpdate(p, s) // a double is named there; the seal stands or falls without it
		c, u := p.contributor(s.From), s.Update()
		known := c.find(u.Opened, u.Manifest)
		if known == nil {
			known = p.add(c, s, u)
		}
		m.seekSoon(p, known) // one's own too, after the loss of a disk
	}
}

func (p *part) add(c *contributor, s *ledger.Signed, u *ledger.Update) *update {
	known := &update{by: c, statement: s, Update: u}
	c.updates = append(c.updates, known)
	p.offers[u.Manifest] = append(p.offers[u.Manifest], known)
	return known
}

// seekSoon has an update fetched now, or once the site takes part and all of its log is restored.
func (m *Machine) seekSoon(p *part, u *update) {
	if m.begun && m.participates(p) {
		m.seek(p, u)
	} else {
		p.unsought = true
	}
}

// seek has an announced update fetched.
func (m *Machine) seek(p *part, u *update) {
	if u.held || u.invalid != "" || u.sought {
		return
	}
	u.sought = true
	m.start(Fetch{Run: p.run.ID, Manifest: u.Manifest, Layout: p.run.Spec.Layout, Owner: u.statement.From})
}

// hasUpdate notes that an update is held, and how long it took: deadlines follow from that.
func (m *Machine) hasUpdate(p *part, u *update) {
	u.held, u.sought, u.at = true, true, m.now
	if began, ok := p.openedAt[u.Opened]; ok {
		p.arrivals = append(p.arrivals, m.now-began)
		if over := len(p.arrivals) - 5*m.roster.Len(); over > 0 {
			p.arrivals = slices.Delete(p.arrivals, 0, over)
		}
	}
	m.recount(p, u.by)
	m.trace(Trace{Event: "holds", Site: u.statement.From, Run: u.Run, Round: u.Round, Model: u.Manifest})
}

// spoilUpdate notes that an update can never be used.
func (m *Machine) spoilUpdate(p *part, u *update, why string) {
	u.invalid = why
	m.recount(p, u.by)
	m.trace(Trace{Event: "bad update", Site: u.statement.From, Run: u.Run, Round: u.Round, Model: u.Manifest, Text: why})
}

// recount finds the update with which a site would be in a seal formed now, and whether it is awaited.
func (m *Machine) recount(p *part, c *contributor) {
	p.count(c, -1)
	c.best = m.countable(p, c)
	c.awaited = (c.accepts || !c.said()) && (c.best == nil || c.best.Round != p.run.Round) && m.named[c.id] == nil && m.roster.Has(c.id) &&
		!m.ledger.JoinedAfter(c.id, p.run.Opened) // who began later than the others is not waited for
	p.count(c, +1)
	p.formed, m.dirty = block.CID{}, true
	m.noteEnough(p)
}

func (p *part) count(c *contributor, by int) {
	if c.best != nil {
		p.in += by
	}
	if c.awaited {
		p.awaited += by
	}
}

// countable returns a site's highest attempt for this opening that is held, or else its newest late update;
// nil if the site is proven to lie.
func (m *Machine) countable(p *part, c *contributor) (best *update) {
	if m.named[c.id] != nil || !m.roster.Has(c.id) {
		return nil
	}
	for _, u := range c.updates {
		if !u.held || u.invalid != "" {
			continue
		}
		stale, err := m.ledger.Staleness(p.run, u.statement)
		if err != nil || p.run.Spec.Weight(u.Samples, stale) == 0 {
			continue
		}
		if best == nil || u.Opened > best.Opened || u.Opened == best.Opened && u.Attempt > best.Attempt {
			best = u
		}
	}
	return best
}

func (m *Machine) recountAll(p *part) {
	for _, c := range p.order {
		m.recount(p, c)
	}
}

// holdsAll reports whether every update that a seal lists is held.
func (p *part) holdsAll(s *ledger.Seal) bool {
	for i := range s.Updates {
		from, listed := s.Updates[i].Update.From, s.Updates[i].Update.Update()
		c := p.sites[from]
		if c == nil {
			return false
		}
		if u := c.find(listed.Opened, listed.Manifest); u == nil || !u.held || u.invalid != "" {
			return false
		}
	}
	return true
}

// dropUpdates forgets the updates that cannot count any more: those of a committed seal, and those
// that have become too old. Late ones that the run's policy carries stay.
func (m *Machine) dropUpdates(p *part, sealed *ledger.Seal) {
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
	for _, c := range p.order {
		c.updates = slices.DeleteFunc(c.updates, func(u *update) bool {
			_, err := m.ledger.Staleness(r, u.statement)
			counts := r.Active() && (err == nil || latest != nil && latest.Lists(u.Manifest))
			if counts || used[c.id] && r.Spec.KeepUpdates {
				stay[u.Manifest] = true
			} else if u.held || u.sought || c.id == m.self {
				gone = append(gone, u.Manifest)
			}
			return !counts
		})
	}
	clear(p.offers)
	for _, c := range p.order {
		for _, u := range c.updates {
			p.offers[u.Manifest] = append(p.offers[u.Manifest], u)
		}
	}
	for _, c := range gone {
		if !stay[c] {
			m.start(Forget{Run: r.ID, Manifest: c, Update: true})
		}
	}
	m.recountAll(p)
}
