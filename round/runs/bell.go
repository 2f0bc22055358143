package runs

import "time"

// The bell of a run with a round time: a site that is slower than the others then offers what it has. It rings at the time that the
// run's description names, so that no site moves it, neither one that claims to be done early nor one that always comes just
// before a deadline that follows from what others took.

// bellGrace is the part of the round time that is left after the bell to take the updates over and to carry them.
const bellGrace = 4

// bell returns when the round's bell rings, false if the run has none.
func (p *state) bell() (at time.Duration, boxed bool) {
	ms := p.run.Paced.RoundTime
	return p.pace.openedAt[p.run.Opened] + time.Duration(ms)*time.Millisecond, ms > 0
}

// timeLeft returns how long a training that begins now may take. One that begins after the bell, as the first has failed, gets as
// long as updates have to come after it.
func (p *state) timeLeft() time.Duration {
	at, _ := p.bell()
	return max(at-p.now(), p.grace())
}

// grace returns how long after the bell updates are waited for.
func (p *state) grace() time.Duration {
	return time.Duration(p.run.Paced.RoundTime) * time.Millisecond / bellGrace
}
