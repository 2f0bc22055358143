package exchange

import "time"

// pace is how fast a provider has delivered lately, while it was asked for something. It forgets: each block counts for less than
// the next.
type pace struct {
	bytes, seconds float64
	since          time.Time // when the latest block came, or the first one after nothing was asked for
}

const fade = 0.9 // what a block counts for when another one has come

// begin says that after nothing was asked for something is.
func (p *pace) begin(now time.Time) { p.since = now }

// arrived counts a block of n bytes.
func (p *pace) arrived(n int64, now time.Time) {
	p.bytes = fade*p.bytes + float64(n)
	p.seconds = fade*p.seconds + max(0, now.Sub(p.since).Seconds())
	p.since = now
}

// known reports whether it has delivered anything.
func (p *pace) known() bool { return p.bytes > 0 }

// takes guesses how long n bytes take, of one that has delivered.
func (p *pace) takes(n int64) time.Duration {
	return time.Duration(float64(n) * p.seconds / p.bytes * float64(time.Second))
}

// now returns the pace of one that is asked for something: that nothing more than got bytes came since the latest block makes it
// slower.
func (p *pace) now(got int64, now time.Time) *pace {
	return &pace{bytes: p.bytes + float64(got), seconds: p.seconds + max(0, now.Sub(p.since).Seconds())}
}
