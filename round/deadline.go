package round

import (
	"slices"
	"time"
)

// When a round is sealed. Everything here follows from what p has; it is looked at when that has changed,
// or when the time that due returns has come.

// patience is how many times as long as the fewest updates took a site waits at most for the others.
const patience = 8

// sealTime reports whether this site would seal now: all participants' updates are in, or the soft
// deadline has passed with enough of them.
func (m *Machine) sealTime(p *part) bool {
	if m.sealDeadlinePassed(p) {
		return true
	}
	in := 0
	for _, site := range m.roster.sites {
		c := p.sites[site.ID]
		if c == nil { // it has said nothing yet
			return false
		}
		awaited := (c.accepts || !c.said()) && (c.best == nil || c.best.Round != p.run.Round) && m.named[c.id] == nil
		if awaited {
			return false
		}
		if c.best != nil {
			in++
		}
	}
	return in >= p.run.Spec.minSites(m.roster)
}

func (m *Machine) sealDeadlinePassed(p *part) bool {
	d, ok := m.sealDeadline(p)
	return ok && m.now >= d
}

// sealDeadline returns the soft deadline, once enough updates are in. It is measured: in the first
// round, as long again as the last of the fewest updates took; later 1.5 times the 90th percentile
// of all arrivals, but not without bound, or a site that comes ever later would stretch it for ever.
func (m *Machine) sealDeadline(p *part) (time.Duration, bool) {
	if p.deadlineKnown {
		return p.deadline, p.deadline > 0
	}
	p.deadlineKnown, p.deadline = true, 0
	in := make([]time.Duration, 0, len(p.order))
	for _, c := range p.order {
		if c.best != nil {
			in = append(in, c.best.at)
		}
	}
	least := p.run.Spec.minSites(m.roster)
	if len(in) < least {
		return 0, false
	}
	slices.Sort(in)
	began, enough := p.openedAt[p.run.Opened], in[least-1]
	wait := 2 * (enough - began)
	if p.run.Round > 1 && len(p.arrivals) > least {
		sorted := slices.Sorted(slices.Values(p.arrivals))
		wait = min(sorted[len(sorted)*9/10]*3/2, patience*max(enough-began, m.cfg.Timing.Deadline))
	}
	p.deadline = max(enough, began+max(wait, m.cfg.Timing.Deadline), 1)
	return p.deadline, true
}

// deadlines tells f when something in the part falls due.
func (m *Machine) deadlines(p *part, f func(time.Duration)) {
	if !p.run.Active() || !p.accepted() {
		return
	}
	if p.trainAt > 0 {
		f(p.trainAt)
	}
	if p.run.Latest() != nil {
		f(p.sealedAt + m.cfg.Timing.Unavailable)
		return
	}
	if d, ok := m.sealDeadline(p); ok {
		f(d)
	}
	if own := p.contributor(m.self).offer(p.run.Opened); own != nil && p.training == nil {
		if at, ok := m.trainOn(p, own); ok {
			f(at)
		}
	}
}

// findDue notes when the next deadline of any part comes.
func (m *Machine) findDue() {
	m.due = never
	for _, p := range m.parts {
		m.deadlines(p, func(t time.Duration) {
			if t > m.now {
				m.due = min(m.due, t)
			}
		})
	}
}
