package exchange

import (
	"time"

	"github.com/weft-mesh/weft/block"
)

// arrival is a block that is being read from its provider's stream.
type arrival struct {
	pulse *pulse
	begun time.Time
	from  int64 // bytes that the stream had brought by then
	size  int64
}

// left guesses how long the rest of it takes, by how fast it has come so far.
func (a *arrival) left(now time.Time) time.Duration {
	got := max(1, a.got())
	return time.Duration(float64(now.Sub(a.begun)) * float64(a.size-got) / float64(got))
}

// got returns how much of it has come.
func (a *arrival) got() int64 { return min(max(0, a.pulse.read.Load()-a.from), a.size) }

// comes notes that the block which p was asked for begins to arrive. It returns false if p was not asked.
func (b *board) comes(p *provider, c block.CID, a *arrival) bool {
	asked := p.asks[c]
	if asked == nil {
		return false
	}
	asked.coming = a
	return true
}
