package runfile

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// pace reads when the rounds end.
func (t *Terms) pace() (ledger.Pace, error) {
	if t.RoundTime == "" {
		return ledger.Pace{}, nil
	}
	d, err := time.ParseDuration(string(t.RoundTime))
	if ms := d.Milliseconds(); err != nil || ms < 1000 || ms > ledger.MaxRoundTime {
		return ledger.Pace{}, fmt.Errorf("%.40q, want 1s to %dh, such as 30m: a site that is not done when it has passed offers what it has", string(t.RoundTime), ledger.MaxRoundTime/3_600_000)
	}
	if t.Late.Policy == string(ledger.Carry) {
		return ledger.Pace{}, fmt.Errorf("not with late.policy carry: changes count by steps; average or drop")
	}
	return ledger.NewPace(ledger.Paced{RoundTime: uint64(d.Milliseconds())}), nil
}
