package sim

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// crossed holds what the closing entries say of updates: that honest sites have found it, of updates that they may measure.
type crossed struct {
	c    *checker
	last map[block.CID]*ledger.Seal // by run: of its newest commit
}

func (t *crossed) of(c *checker) { t.c, t.last = c, map[block.CID]*ledger.Seal{} }

func (t *crossed) committed(b *ledger.Commit, seal *ledger.Seal) { t.last[b.Run] = seal }

func (t *crossed) closed(b *ledger.Closing) {
	for by, rows := range b.Cross() {
		at := t.c.w.index[by]
		if t.c.w.sites[at].liar != nil {
			continue
		}
		for _, row := range rows {
			if why := t.wrong(at, t.last[b.Run], row); why != "" {
				t.c.w.fail(at, PromiseCross, fmt.Sprintf("the update of %s: %s", row.Site, why))
			}
		}
	}
}

// wrong says why a site's row cannot be, if it cannot.
func (t *crossed) wrong(by int, seal *ledger.Seal, row ledger.CrossRow) string {
	for i := range seal.Updates {
		u := &seal.Updates[i].Update
		if u.From != row.Site {
			continue
		}
		if whose := t.c.w.index[u.From]; whose != by && t.c.w.cfg.Sites[whose].Unlent {
			return "its site lets nobody measure it"
		}
		found := t.c.w.sites[by].finds(u.Update().Manifest)
		for name, v := range row.Metrics {
			if found.Metrics[name] != v {
				return fmt.Sprintf("%s is %v, it found %v", name, v, found.Metrics[name])
			}
		}
		return ""
	}
	return "it is not in the last seal"
}
