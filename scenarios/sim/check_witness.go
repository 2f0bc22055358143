package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// witness notes who is proven to lie: an honest site has been told two of its statements for one place. Two
// sites that were told one each find out by their heads, unless both go on too soon: then one of them is
// told the other's.
type witness struct {
	c      *checker
	w      *World
	seen   map[sighting]uint64
	caught map[int][]peer.ID // by site: whom it has caught, and its disk does not have yet
	proven map[peer.ID]bool
}

type sighting struct {
	by int
	place
}

func (t *witness) of(c *checker) {
	t.c, t.w, t.seen, t.caught, t.proven = c, c.w, map[sighting]uint64{}, map[int][]peer.ID{}, map[peer.ID]bool{}
}

// hears sees what an honest site is told, signed by a liar.
func (t *witness) hears(by *site, m *round.Message) {
	s := m.Statement
	if s == nil {
		return
	}
	author, known := t.w.index[s.From]
	if !known || t.w.sites[author].liar == nil {
		return
	}
	at, ok := placeOf(author, s)
	if !ok || at.kind == ledger.KindUpdate || !t.inTime(by, at) {
		return
	}
	if !verify(s.From, t.c.signed(s.Kind, s.Body), s.Sig) {
		return
	}
	key, sum := sighting{by.i, at}, digest(s)
	old, again := t.seen[key]
	switch past := at.kind == consensus.KindProposal && at.height == by.machine.Ledger().Height(); {
	case !again && !past: // a proposal that comes when its height is decided is not kept
		t.seen[key] = sum
	case again && old != sum:
		t.caught[by.i] = append(t.caught[by.i], s.From)
	}
}

// forgets says that a site has crashed: what others have said is on nobody's disk.
func (t *witness) forgets(by *site) {
	maps.DeleteFunc(t.seen, func(at sighting, _ uint64) bool { return at.by == by.i })
	delete(t.caught, by.i)
}

// saved says that a site's disk has what the site has done so far.
func (t *witness) saved(by *site) {
	for _, id := range t.caught[by.i] {
		t.proven[id] = true
	}
	delete(t.caught, by.i)
}

// inTime reports whether the site looks at such a statement now: of the height that it decides, in a
// view near its own, or of the view that decided the one before.
func (t *witness) inTime(by *site, at place) bool {
	l := by.machine.Ledger()
	if at.height == l.Height() && at.height > 0 {
		return at.view == l.At(at.height).Certificate.View
	}
	return at.height == l.Height()+1 && at.view < 16
}

// settled holds, at the end, that all honest sites name whoever is proven to lie, and none else.
func (t *witness) settled() {
	for _, s := range t.w.sites {
		if !s.up || s.liar != nil || !t.c.sits(s) {
			continue
		}
		named := s.machine.Named()
		for _, id := range named {
			if t.w.sites[t.w.index[id]].liar == nil {
				t.w.fail(s.i, PromiseNotBlamed, fmt.Sprintf("names %s", t.w.sites[t.w.index[id]].Name))
			}
		}
		for _, liar := range t.w.sites {
			if t.proven[liar.id] && t.c.sits(liar) && !slices.Contains(named, liar.id) {
				t.w.fail(s.i, PromiseNamed, fmt.Sprintf("does not name %s, whom a site has caught", liar.Name))
			}
		}
	}
}
