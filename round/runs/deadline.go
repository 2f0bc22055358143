package runs

import "time"

// When a round is sealed. Everything here follows from the state of the run; it is looked at when that
// has changed, or when the time that deadlines tells has come.

// noteEnough notes since when enough updates are in for a seal.
func (p *state) noteEnough() {
	if p.offers.in < p.run.Spec.Needed(p.roster()) {
		p.phase.on(Lack)
		return
	}
	if p.phase.at != Enough {
		p.pace.suffice(p.run.Opened, p.now())
	}
	p.phase.on(Suffice)
}

// sealTime reports whether this site would seal now: all participants' updates are in, or enough of them, and the soft
// deadline has passed, or only those are missing who are gone.
func (p *state) sealTime() bool {
	if p.phase.at != Enough {
		return false
	}
	by, rested := p.pace.rested()
	return p.offers.awaited == 0 || p.sealDeadlinePassed() || rested && p.now() >= by
}

func (p *state) sealDeadlinePassed() bool {
	d, ok := p.sealDeadline()
	return ok && p.now() >= d
}

// sealDeadline returns the soft deadline, once enough updates are in.
func (p *state) sealDeadline() (time.Duration, bool) {
	if p.phase.at != Enough {
		return 0, false
	}
	if bell, boxed := p.pace.bell(p.run); boxed {
		return max(p.pace.enoughAt, bell.at+max(bell.grace, p.Timing.Deadline)), true
	}
	return p.pace.deadline(p.run.Opened, p.run.Round == 1, p.Timing.Deadline), true
}

// deadlines tells f when something falls due.
func (p *state) deadlines(f func(time.Duration)) {
	p.closing.deadline(f)
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
	if by, rested := p.pace.rested(); rested {
		f(by)
	}
	if p.offers.of(p.Self).skips(p.run.Opened) {
		f(p.pace.openedAt[p.run.Opened] + skipPatience)
	}
	if own := p.offers.of(p.Self).offer(p.run.Opened); own != nil && p.training.job == nil {
		if at, ok := p.trainOn(own); ok {
			f(at)
		}
	}
}
