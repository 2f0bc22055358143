package round

import (
	"slices"
	"time"
)

// When a round is sealed. Everything here follows from what p has; it is looked at when that has changed,
// or when the time that due returns has come.

// patience is how many times as long as the fewest updates took a site waits at most for the others.
const patience = 8

// noteEnough notes since when enough updates are in for a seal.
func (m *Machine) noteEnough(p *part) {
	enough := p.in >= p.run.Spec.Needed(m.roster)
	if enough && !p.enough {
		p.enoughAt = m.now
	}
	p.enough = enough
}

// lookBack notes how long updates usually took, at the start of a round.
func (p *part) lookBack(least int) {
	if len(p.arrivals) > least {
		sorted := slices.Sorted(slices.Values(p.arrivals))
		p.usual = sorted[len(sorted)*9/10]
	}
}

// sealTime reports whether this site would seal now: all participants' updates are in, or the soft
// deadline has passed with enough of them.
func (m *Machine) sealTime(p *part) bool {
	return p.enough && (p.awaited == 0 || m.sealDeadlinePassed(p))
}

func (m *Machine) sealDeadlinePassed(p *part) bool {
	d, ok := m.sealDeadline(p)
	return ok && m.now >= d
}

// sealDeadline returns the soft deadline, once enough updates are in. It is measured: in the first
// round, as long again as the last of the fewest updates took; later 1.5 times what they took or the 90th
// percentile of the arrivals in the rounds before, late ones included, whichever is longer, but not
// without bound, or a site that comes ever later would stretch it for ever.
func (m *Machine) sealDeadline(p *part) (time.Duration, bool) {
	if !p.enough {
		return 0, false
	}
	began := p.openedAt[p.run.Opened]
	took := p.enoughAt - began
	wait := 2 * took
	if p.run.Round > 1 && p.usual > 0 {
		wait = min(max(p.usual, took)*3/2, patience*max(took, m.cfg.Timing.Deadline))
	}
	return max(p.enoughAt, began+max(wait, m.cfg.Timing.Deadline)), true
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
