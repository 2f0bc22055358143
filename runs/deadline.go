package runs

import (
	"slices"
	"time"
)

// When a round is sealed. Everything here follows from the state of the run; it is looked at when that
// has changed, or when the time that deadlines tells has come.

// enough reports whether so many updates are in that a seal may be formed.
func (p *state) enough() bool { return p.phase.at == Enough }

// noteEnough notes since when enough updates are in for a seal.
func (p *state) noteEnough() {
	if p.in < p.run.Spec.Needed(p.roster()) {
		p.phase.on(Lack)
		return
	}
	if !p.enough() {
		p.enoughAt = p.now()
	}
	p.phase.on(Suffice)
}

// lookBack notes how long updates usually took, at the start of a round.
func (p *state) lookBack(least int) {
	if len(p.arrivals) > least {
		sorted := slices.Sorted(slices.Values(p.arrivals))
		p.usual = sorted[len(sorted)*9/10]
	}
}

// sealTime reports whether this site would seal now: all participants' updates are in, or the soft
// deadline has passed with enough of them.
func (p *state) sealTime() bool {
	return p.enough() && (p.awaited == 0 || p.sealDeadlinePassed())
}

func (p *state) sealDeadlinePassed() bool {
	d, ok := p.sealDeadline()
	return ok && p.now() >= d
}

// sealDeadline returns the soft deadline, once enough updates are in. It is measured: in the first
// round, as long again as the last of the fewest updates took; later 1.5 times what they took or the 90th
// percentile of the arrivals in the rounds before, late ones included, whichever is longer, but not
// without bound, or a site that comes ever later would stretch it for ever.
func (p *state) sealDeadline() (time.Duration, bool) {
	if !p.enough() {
		return 0, false
	}
	began := p.openedAt[p.run.Opened]
	took := p.enoughAt - began
	wait := 2 * took
	if p.run.Round > 1 && p.usual > 0 {
		wait = min(max(p.usual, took)*3/2, patience*max(took, p.Timing.Deadline))
	}
	return max(p.enoughAt, began+max(wait, p.Timing.Deadline)), true
}

// deadlines tells f when something falls due.
func (p *state) deadlines(f func(time.Duration)) {
	if !p.participates() {
		return
	}
	if p.training.retry > 0 {
		f(p.training.retry)
	}
	if p.run.Latest() != nil {
		f(p.sealedAt + p.Timing.Unavailable)
		return
	}
	if d, ok := p.sealDeadline(); ok {
		f(d)
	}
	if own := p.contributor(p.Self).offer(p.run.Opened); own != nil && p.training.job == nil {
		if at, ok := p.trainOn(own); ok {
			f(at)
		}
	}
}
