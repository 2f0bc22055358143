package round

import (
	"time"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/round/runs"
)

// Timing is how long a machine waits. Nothing here is for users to tune: what depends on the
// training or the network is measured (see pace and deadline).
type Timing struct {
	Propose     time.Duration // least wait for a proposal or votes in a view; grows by half a view
	ProposeCap  time.Duration // and no further than this
	Resend      time.Duration // first wait until an own statement is sent again; doubles
	ResendCap   time.Duration
	Head        time.Duration // between two heads, each to the next connected site
	Deadline    time.Duration // least soft deadline of a round
	Unavailable time.Duration // how long a sealed update is sought before another seal drops it
	Retry       time.Duration // wait before a failed training is tried again; doubles
	Closing     time.Duration // least wait for what the sites measure of a run's last model
	Recall      time.Duration // how long after its start a site waits for others to say what it has said itself
}

// DefaultTiming suits LAN and WAN: all of it adapts upwards.
func DefaultTiming() Timing {
	return Timing{
		Propose: 1 * time.Second, ProposeCap: 30 * time.Second,
		Resend: 1 * time.Second, ResendCap: 15 * time.Second,
		Head:        2 * time.Second,
		Deadline:    2 * time.Second,
		Unavailable: 2 * time.Minute,
		Retry:       5 * time.Second,
		Closing:     time.Minute,
		Recall:      recallFor,
	}
}

func (t Timing) consensus() consensus.Timing {
	return consensus.Timing{Propose: t.Propose, ProposeCap: t.ProposeCap}
}

func (t Timing) runs() runs.Timing {
	return runs.Timing{Deadline: t.Deadline, Unavailable: t.Unavailable, Retry: t.Retry, Closing: t.Closing}
}
