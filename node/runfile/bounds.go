package runfile

import (
	"fmt"
	"math"
	"strconv"

	"github.com/weft-mesh/weft/ledger"
)

// bounds reads how far one site may move the models; on error it returns the field that is at fault.
func (t *Terms) bounds() (ledger.Bounds, string, error) {
	b := ledger.Bounded{Share: t.Share}
	if t.Share != ledger.Capped && t.Share != ledger.OpenShare {
		return ledger.Bounds{}, "share", fmt.Errorf("%.40q, want open: a site may have more than half of a round's weight; without the field none has", string(t.Share))
	}
	if t.MaxChange != "" {
		v, err := strconv.ParseFloat(string(t.MaxChange), 64)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return ledger.Bounds{}, "max_change", fmt.Errorf("%.40q, want a number above 0: the norm of an update's change from which it is refused", string(t.MaxChange))
		}
		b.MaxChange = v
	}
	return ledger.NewBounds(b), "", nil
}
