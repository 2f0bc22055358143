package runs

import (
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// bell rings in the rounds of a run with a round time: a site that is slower than the others then offers what it has. It rings at
// the time that the run's description names, so that no site moves it, neither one that claims to be done early nor one that always
// comes just before a deadline that follows from what others took.
type bell struct {
	at    time.Duration
	grace time.Duration // that is left after it to take the updates over and to carry them
}

// bellGrace is the part of the round time that the grace is.
const bellGrace = 4

// bell returns when the bell of a run's round rings, false if the run has none.
func (c *pace) bell(r *ledger.Run) (b bell, boxed bool) {
	takes := time.Duration(r.Paced.RoundTime) * time.Millisecond
	return bell{c.openedAt[r.Opened] + takes, takes / bellGrace}, takes > 0
}

// left returns how long a training that begins now may take. One that begins after the bell, as the first has failed, gets as long
// as updates have to come after it.
func (b bell) left(now time.Duration) time.Duration { return max(b.at-now, b.grace) }
