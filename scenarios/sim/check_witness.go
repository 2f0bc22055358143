package sim

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/round"
)

// witness notes who is proven to lie: an honest site has seen two of its statements for one place, or two
// honest sites one each, and one has shown the other its head while both had them.
type witness struct {
	c      *checker
	w      *World
	seen   map[sighting]uint64
	proven map[peer.ID]bool
}

type sighting struct {
	by int
	place
}

func (t *witness) of(c *checker) {
	t.c, t.w, t.seen, t.proven = c, c.w, map[sighting]uint64{}, map[peer.ID]bool{}
}

// hears sees what reaches an honest site, signed by a liar.
func (t *witness) hears(from peer.ID, by *site, m *round.Message) {
	s := m.Statement
	if s == nil {
		if m.Head != nil {
			t.compares(from, by)
		}
		return
	}
	author, known := t.w.index[s.From]
	if !known || t.w.sites[author].liar == nil {
		return
	}
	at, ok := placeOf(author, s)
	if !ok || !t.inTime(by, at) {
		return
	}
	if !verify(s.From, t.c.signed(s.Kind, s.Body), s.Sig) {
		return
	}
	key, sum := sighting{by.i, at}, digest(s)
	if old, again := t.seen[key]; again && old != sum {
		t.proven[s.From] = true
	}
	t.seen[key] = sum
}

// compares sees a head go from one honest site to another: what both have seen of the height that both
// decide, in a view in which both are, they can compare.
func (t *witness) compares(from peer.ID, by *site) {
	sender := t.w.sites[t.w.index[from]]
	if sender.liar != nil || !sender.up || sender.machine.Ledger().Height() != by.machine.Ledger().Height() {
		return
	}
	height := by.machine.Ledger().Height() + 1
	for _, liar := range t.w.sites {
		if liar.liar == nil {
			continue
		}
		for _, kind := range []round.Kind{round.KindPrevote, round.KindPrecommit} {
			at := place{site: liar.i, kind: kind, height: height, view: by.machine.View()}
			a, seenA := t.seen[sighting{sender.i, at}]
			b, seenB := t.seen[sighting{by.i, at}]
			if seenA && seenB && a != b && sender.machine.View() == at.view {
				t.proven[liar.id] = true
			}
		}
	}
}

// inTime reports whether the site looks at such a statement now: of the height that it decides, in a
// view near its own, or an update of an opening that it knows.
func (t *witness) inTime(by *site, at place) bool {
	l := by.machine.Ledger()
	if at.kind == round.KindUpdate {
		r := l.Run(at.run)
		return r != nil && r.Active() && at.height == r.Opened && r.Latest() == nil
	}
	return at.height == l.Height()+1 && at.view < 16
}

// settled holds, at the end, that all honest sites name whoever is proven to lie, and none else.
func (t *witness) settled() {
	for _, s := range t.w.sites {
		if !s.up || s.liar != nil {
			continue
		}
		named := s.machine.Named()
		for _, id := range named {
			if t.w.sites[t.w.index[id]].liar == nil {
				t.w.fail(s.i, PromiseNotBlamed, fmt.Sprintf("names %s", t.w.sites[t.w.index[id]].Name))
			}
		}
		for _, liar := range t.w.sites {
			if t.proven[liar.id] && !slices.Contains(named, liar.id) {
				t.w.fail(s.i, PromiseNamed, fmt.Sprintf("does not name %s, whom a site has caught", liar.Name))
			}
		}
	}
}
