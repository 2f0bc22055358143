package sim

import (
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// regrets knows which honest sites know that an approval was taken back. Who knows before a height begins does not stand
// behind a change that brings it, so that too few are left to decide it.
type regrets struct {
	c     *checker
	now   []map[regret]bool // by site
	begun []map[regret]bool // when its height began, less what was approved of again since
	at    []uint64          // that height
}

// regret is an approval that its site has taken back.
type regret struct {
	change block.CID
	by     peer.ID
}

func (r *regrets) of(c *checker) {
	n := len(c.w.sites)
	r.c, r.now, r.begun, r.at = c, make([]map[regret]bool, n), make([]map[regret]bool, n), make([]uint64, n)
	for i := range n {
		r.now[i] = map[regret]bool{}
	}
}

// sees looks at a line of an honest site's trace.
func (r *regrets) sees(s *site, t trace.Event) {
	switch t := t.(type) {
	case trace.ApprovalWithdrawn:
		r.now[s.i][regret{t.Support.Change, t.Site}] = true
	case trace.Approved:
		about := regret{t.Support.Change, t.Site}
		delete(r.now[s.i], about)
		delete(r.begun[s.i], about)
	}
}

// forgets is a crash: what others have said is told again.
func (r *regrets) forgets(s *site) { r.now[s.i], r.begun[s.i] = map[regret]bool{}, nil }

// decided begins a site's next height.
func (r *regrets) decided(s *site, height uint64) {
	r.begun[s.i], r.at[s.i] = maps.Clone(r.now[s.i]), height+1
}

// knew returns how many honest sites knew, before the newest decided height began, that an honest site has taken back its
// approval of a change. What a liar means by its own nobody needs to care.
func (r *regrets) knew(e *ledger.Changed, by peer.ID) (n int) {
	about := regret{e.Change.ID(), by}
	if r.c.w.sites[r.c.w.index[by]].liar != nil {
		return 0
	}
	for _, s := range r.c.w.sites {
		if s.liar == nil && slices.Contains(r.c.members, s.id) && r.at[s.i] == uint64(len(r.c.chain)) && r.begun[s.i][about] {
			n++
		}
	}
	return n
}
