package modelcheck

import (
	"maps"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

// The machines of package round against the model. A walk takes steps of three kinds:
//
//   - what may happen next in the model is arranged for the machine: just the messages that it
//     takes, the timeout, the restart. Then the machine has to do it;
//   - what may not happen is arranged as far as it can be. The machine must not do it;
//   - something arrives, time passes, a site restarts, the liar speaks.
//
// Whatever a machine says has to be what a correct site of the model may say, and what it is ready for.

// TestCrossCheck walks with every site as the liar.
func TestCrossCheck(t *testing.T) {
	walks := 150
	if testing.Short() {
		walks = 30
	}
	seen := map[class]int{}
	var followed [kinds]int
	for seed := range uint64(walks) {
		for liar := range sites {
			m := newMesh(t, seed, liar, 1, 2, 9)
			for range 40 {
				m.walk(seen, &followed)
			}
		}
	}
	for k := range kinds {
		t.Logf("%-13s %5d times", k, followed[k])
		if followed[k] < walks {
			t.Errorf("%s: %d times only, want %d", k, followed[k], walks)
		}
	}
}

// walk takes one step.
func (m *mesh) walk(seen map[class]int, followed *[kinds]int) {
	switch m.rng.IntN(4) {
	case 0:
		m.disturb()
	case 1:
		m.tempt()
	default:
		a, ok := m.choose(seen)
		if !ok {
			return
		}
		m.note("site %d is to %s %s in view %d (valid view %d)", a.Site+1, a.Kind, a.Entry, a.View, a.ValidView)
		if m.arrange(a, true) {
			followed[a.Kind]++
			seen[m.class(a)]++
		}
	}
}

// class is what makes an action interesting.
type class struct {
	kind   Kind
	view   int
	proven bool // by a valid view
	lock   Vote // of the site: None, A for what it acts on, B for the other entry
}

func (m *mesh) class(a Action) class {
	c := class{a.Kind, a.View, a.ValidView >= 0, None}
	if lock := m.anyState().lock(m.site(a.Site).index); lock != 0 {
		c.lock = map[bool]Vote{true: A, false: B}[lock.entry() == a.Entry]
	}
	return c
}

// choose draws one of the actions that are possible, mostly of the class that was seen least.
func (m *mesh) choose(seen map[class]int) (best Action, ok bool) {
	var list []Action
	for a := range m.model.Next(m.anyState()) {
		if s := m.site(a.Site); !s.over && a.View >= s.view {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return Action{}, false
	}
	m.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if m.rng.IntN(3) == 0 {
		return list[0], true
	}
	return slices.MinFunc(list, func(a, b Action) int { return seen[m.class(a)] - seen[m.class(b)] }), true
}

// tempt arranges an action that need not be possible, for a site that is locked if there is one.
func (m *mesh) tempt() {
	s := m.sites[m.rng.IntN(len(m.sites))]
	for _, o := range m.sites {
		if m.anyState().lock(o.index) != 0 && !o.over && m.rng.IntN(2) == 0 {
			s = o
		}
	}
	if s.over {
		return
	}
	view := min(s.view+m.rng.IntN(2), MaxViews-1)
	a := Action{[]Kind{Prevote, Prevote, Precommit, Abstain, Pass}[m.rng.IntN(5)], s.position, view, entries[m.rng.IntN(2)], -1}
	if a.Kind == Prevote {
		a.ValidView = m.rng.IntN(view+1) - 1
	}
	m.note("site %d is tempted to %s %s in view %d (valid view %d)", a.Site+1, a.Kind, a.Entry, a.View, a.ValidView)
	m.arrange(a, false)
}

func (m *mesh) anyState() State { return slices.Min(slices.Collect(maps.Keys(m.states))) }

func (m *mesh) site(position int) *site {
	for _, s := range m.sites {
		if s.position == position {
			return s
		}
	}
	return nil
}

// follow takes a statement of a site in the model: that has to be possible.
func (s *site) follow(stmt *ledger.Signed) {
	at := place{stmt.Kind, viewOf(s.t, stmt)}
	if old := s.said[at]; old != nil && !slices.Equal(old.Body, stmt.Body) {
		s.fail("site %d: two statements for %s of view %d", s.position+1, at.kind, at.view)
	}
	s.said[at] = stmt
	want := s.action(stmt)
	if (want.Kind == Prevote || want.Kind == Precommit) && !s.holds[want.Entry] {
		s.fail("site %d votes for %s, for which it is not ready", s.position+1, want.Entry)
	}
	s.note("site %d: %s %s in view %d (valid view %d)", want.Site+1, want.Kind, want.Entry, want.View, want.ValidView)
	s.take(func(a Action) bool {
		if a.Kind == Prevote {
			a.ValidView = -1 // a vote does not say what made it possible
		}
		return a == want
	})
}

func (s *site) action(stmt *ledger.Signed) Action {
	switch b := open(s.t, stmt).(type) {
	case *consensus.Proposal:
		e, err := ledger.DecodeEntry(b.Entry)
		if err != nil {
			s.t.Fatal(err)
		}
		return Action{Propose, s.position, int(b.View), s.vote(e.CID()), int(b.ValidView)}
	case *ledger.Vote:
		v := s.vote(b.Entry)
		kind := map[bool]Kind{true: Abstain, false: Prevote}[v == Nil]
		if stmt.Kind == ledger.KindPrecommit {
			kind = map[bool]Kind{true: Pass, false: Precommit}[v == Nil]
		}
		return Action{kind, s.position, int(b.View), v, -1}
	}
	s.t.Fatalf("a %s statement", stmt.Kind)
	return Action{}
}

// take goes on in the model from all states in which such an action is possible.
func (m *mesh) take(wanted func(Action) bool) {
	next := m.after(wanted)
	if len(next) == 0 {
		m.fail("a correct site does not do that")
	}
	m.states = next
}

func (m *mesh) after(wanted func(Action) bool) map[State]bool {
	next := map[State]bool{}
	for s := range m.states {
		for a, n := range m.model.Next(s) {
			if wanted(a) {
				next[n] = true
			}
		}
	}
	return next
}

// learn follows in the model what a machine gets to know without a word: a polka of its view. It
// must, if the votes that came first make it; it may, if others do.
func (s *site) learn() {
	if s.over || s.said[place{ledger.KindPrevote, s.view}] == nil {
		return
	}
	for _, v := range entries {
		_, first, any := s.tally(ledger.KindPrevote, s.view, v)
		learnt := s.after(func(a Action) bool {
			return a.Kind == Learn && a.Site == s.position && a.View == s.view && a.Entry == v
		})
		if any < s.Ledger().Roster().Quorum() || len(learnt) == 0 {
			continue
		}
		if first < s.Ledger().Roster().Quorum() {
			maps.Copy(learnt, s.states)
		}
		s.states = learnt
	}
}

// decide checks that what a machine decides has a certificate in the model, and that all decide it.
func (s *site) decide(view int, v Vote) {
	s.note("site %d: decides %s in view %d", s.position+1, v, view)
	s.over = true
	r := s.model.read(s.anyState())
	if view >= s.model.cfg.Views || int(r.precommits[view][v]) < s.model.enough() {
		s.fail("there is no certificate for that")
	}
	if s.decided != None && s.decided != v {
		s.fail("another site has decided %s", s.decided)
	}
	s.decided = v
}

// disturb lets something happen that nobody asked for.
func (m *mesh) disturb() {
	s := m.sites[m.rng.IntN(len(m.sites))]
	if s.over {
		return
	}
	view, v := m.rng.IntN(MaxViews), []Vote{Nil, A, B}[m.rng.IntN(3)]
	kind := []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit}[m.rng.IntN(2)]
	switch m.rng.IntN(12) {
	case 0:
		s.restart()
	case 1:
		s.wait()
	case 2, 3:
		s.note("site %d: the liar says %s %s in view %d", s.position+1, kind, v, view)
		s.receive(m.lieVote(kind, view, v))
	case 4, 5:
		p := s.lieProposal(m.model.cfg.Liar, entries[m.rng.IntN(2)], m.rng.IntN(MaxViews)-1)
		if p != nil {
			s.receive(p)
		}
	default:
		if len(m.pool) > 0 {
			stmt := m.pool[m.rng.IntN(len(m.pool))]
			s.note("site %d: a %s statement of view %d arrives", s.position+1, stmt.Kind, viewOf(s.t, stmt))
			s.receive(stmt)
		}
	}
}
