package consensus

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// tally is the votes of one kind in one view.
type tally struct {
	votes map[peer.ID]*ledger.Signed
	count map[block.CID]int
	most  int // of any one entry's or nil's votes
}

func (t *tally) add(s *ledger.Signed, entry block.CID) {
	if t.votes[s.From] == nil {
		t.votes[s.From] = s
		t.count[entry]++
		t.most = max(t.most, t.count[entry])
	}
}

// quorum returns the entry, nil excepted, that has q votes; if liars make it two, the lower CID.
func (t *tally) quorum(q int) (c block.CID, ok bool) {
	if t.most < q {
		return c, false
	}
	for e, n := range t.count {
		if n >= q && e.Defined() && (!ok || e.Compare(c) < 0) {
			c, ok = e, true
		}
	}
	return c, ok
}

// of returns the votes for an entry, by site.
func (t *tally) of(entry block.CID) []ledger.Signed {
	list := make([]ledger.Signed, 0, t.count[entry])
	for _, s := range t.votes {
		if v, _ := ledger.BodyOf[ledger.Vote](s, s.Kind); v.Entry == entry {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b ledger.Signed) int { return ledger.CompareIDs(a.From, b.From) })
	return list
}
