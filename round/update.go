package round

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// noteUpdate takes an announced update; the signature has been checked.
func (m *Machine) noteUpdate(p *part, s *Signed) error {
	u, err := open[Update](s, KindUpdate)
	if err != nil {
		return err
	}
	known := 0
	for _, old := range p.updates {
		if old.statement.From != s.From {
			continue
		}
		if old.Opened == u.Opened && old.Attempt == u.Attempt {
			return m.double(old.statement, s)
		}
		known++
	}
	if p.updates[u.Manifest] != nil || known >= maxAttempts*(1+int(p.run.Spec.LateMax)) {
		return nil
	}
	if _, err := m.ledger.staleness(p.run, s); err != nil {
		m.trace(Trace{Event: "stale update", Site: s.From, Run: u.Run, Round: u.Round, Text: err.Error()})
		return nil // late, not wrong
	}
	p.updates[u.Manifest] = &update{statement: s, Update: u}
	m.dirty = true
	if s.From == m.self {
		m.publish(s, 0)
	}
	return nil
}

// seek has an announced update fetched.
func (m *Machine) seek(p *part, r *Run, u *update) {
	if u.held || u.invalid != "" || u.sought {
		return
	}
	u.sought = true
	m.start(Fetch{Run: r.ID, Manifest: u.Manifest, Layout: r.Spec.Layout, Owner: u.statement.From})
}

// fetched tells that an artifact is held now, or can never be used.
func (m *Machine) fetched(e Fetched) {
	m.dirty = true
	if m.sought[e.Manifest] {
		if e.Invalid == "" {
			delete(m.sought, e.Manifest)
			m.held[e.Manifest] = true
		} else { // stays sought, so that it is not asked for again
			m.trace(Trace{Event: "bad model", Model: e.Manifest, Text: e.Invalid})
		}
	}
	for _, r := range m.ledger.order {
		p := m.part(r.ID)
		u := p.updates[e.Manifest]
		switch {
		case u == nil || u.held:
		case e.Invalid != "":
			u.invalid = e.Invalid
			m.trace(Trace{Event: "bad update", Site: u.statement.From, Run: u.Run, Round: u.Round, Model: e.Manifest, Text: e.Invalid})
		default:
			m.hasUpdate(p, u)
		}
	}
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
	m.trace(Trace{Event: "holds", Site: u.statement.From, Run: u.Run, Round: u.Round, Model: u.Manifest})
}

// offer returns a site's newest update for an opening, or nil.
func (p *part) offer(id peer.ID, opened uint64) *update {
	var best *update
	for _, u := range p.updates {
		if u.statement.From == id && u.Opened == opened && (best == nil || u.Attempt > best.Attempt) {
			best = u
		}
	}
	return best
}

// fresh returns a site's newest update for the current opening, or nil.
func (p *part) fresh(r *Run, id peer.ID) *update { return p.offer(id, r.Opened) }

// countable returns the update with which a site would be in a seal formed now: the highest
// attempt for this opening that is held, or else its newest late one; nil if there is none, or if
// the site is proven to lie.
func (m *Machine) countable(p *part, r *Run, id peer.ID) *update {
	if m.named[id] != nil {
		return nil
	}
	var best *update
	for _, u := range p.updates {
		if u.statement.From != id || !u.held || u.invalid != "" {
			continue
		}
		stale, err := m.ledger.staleness(r, u.statement)
		if err != nil || r.Spec.weight(u.Samples, stale) == 0 {
			continue
		}
		if best == nil || u.Opened > best.Opened || u.Opened == best.Opened && u.Attempt > best.Attempt {
			best = u
		}
	}
	return best
}

// holdsAll reports whether every update that a seal lists is held.
func (p *part) holdsAll(s *Seal) bool {
	for i := range s.Updates {
		u := p.updates[s.Updates[i].Update.Update().Manifest]
		if u == nil || !u.held || u.invalid != "" {
			return false
		}
	}
	return true
}

// sealTime reports whether this site would seal now: all participants' updates are in, or the soft
// deadline has passed with enough of them.
func (m *Machine) sealTime(p *part, r *Run) bool {
	in, awaited := 0, 0
	for _, site := range m.roster.sites {
		u := m.countable(p, r, site.ID)
		if u != nil {
			in++
		}
		accept, said := p.consent(site.ID)
		if (accept || !said) && (u == nil || u.Round != r.Round) && m.named[site.ID] == nil {
			awaited++
		}
	}
	if in < r.Spec.minSites(m.roster) {
		return false
	}
	return awaited == 0 || m.sealDeadlinePassed(p, r)
}

func (m *Machine) sealDeadlinePassed(p *part, r *Run) bool {
	d, ok := m.sealDeadline(p, r)
	return ok && m.now >= d
}

// sealDeadline returns the soft deadline, once enough updates are in. It is measured: in the first
// round, as long again as the last of the fewest updates took; later 1.5 times the 90th percentile
// of all arrivals.
func (m *Machine) sealDeadline(p *part, r *Run) (time.Duration, bool) {
	var in []time.Duration
	for _, site := range m.roster.sites {
		if u := m.countable(p, r, site.ID); u != nil {
			in = append(in, u.at)
		}
	}
	least := r.Spec.minSites(m.roster)
	if len(in) < least {
		return 0, false
	}
	slices.Sort(in)
	began, enough := p.openedAt[r.Opened], in[least-1]
	wait := 2 * (enough - began)
	if r.Round > 1 && len(p.arrivals) > least {
		sorted := slices.Sorted(slices.Values(p.arrivals))
		wait = sorted[len(sorted)*9/10] * 3 / 2
	}
	return max(enough, began+max(wait, m.cfg.Timing.Deadline)), true
}

// due reports whether a deadline of the part has passed since the last look.
func (p *part) due(m *Machine) bool {
	due := false
	p.deadlines(m, func(t time.Duration) {
		due = due || t > p.looked && t <= m.now
	})
	p.looked = m.now
	return due
}

// dropUpdates forgets the updates that cannot count any more: those of a committed seal, and those
// that have become too old. Late ones that the run's policy carries stay.
func (m *Machine) dropUpdates(p *part, r *Run, sealed *Seal) {
	for _, id := range p.sortedUpdates() {
		u := p.updates[id]
		used := sealed != nil && slices.Contains(sealed.Contributors(), u.statement.From)
		if _, err := m.ledger.staleness(r, u.statement); err == nil && r.Active() && !used {
			continue
		}
		delete(p.updates, id)
		if !used || !r.Spec.KeepUpdates {
			m.start(Forget{Run: r.ID, Manifest: id, Update: true})
		}
	}
}
