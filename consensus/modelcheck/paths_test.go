package modelcheck

import "testing"

// TestPaths drives the machines along the search's shortest ways to situations that walks seldom
// come to, and looks what they do there. Not every way can be gone with every liar.
func TestPaths(t *testing.T) {
	arrived := map[string]int{}
	for liar := range sites {
		for _, to := range situations(model(t, Config{Views: MaxViews, Liar: liar})) {
			n := 0
			for seed := uint64(0); seed < 60 && n < 5; seed++ {
				if newMesh(t, seed, liar, 9).drive(to) {
					n++
				}
			}
			t.Logf("liar %d: %s: %d actions, gone %d times", liar+1, to.name, len(to.way), n)
			arrived[to.name] += n
		}
	}
	for name, n := range arrived {
		if n < 5 {
			t.Errorf("%s: the machines came to it %d times", name, n)
		}
	}
}

// situation is where a site has something to do, or not to do.
type situation struct {
	name string
	is   func(r *reading, site int, a Action) bool
	may  bool // the action is possible
	way  []taken
	then Action
}

// situations returns the way to the nearest of each kind.
func situations(m *Model) []situation {
	list := []situation{
		{name: "a newer polka unlocks", may: true, is: func(r *reading, site int, a Action) bool {
			return a.Kind == Prevote && r.against(site, a)
		}},
		{name: "an older polka does not", is: func(r *reading, site int, a Action) bool {
			return a.ValidView >= 0 && r.polka(a.Entry, a.ValidView)
		}},
		{name: "a lock is replaced", may: true, is: func(r *reading, site int, a Action) bool {
			return a.Kind == Precommit && r.against(site, a)
		}},
		{name: "the new lock counts", is: func(r *reading, site int, a Action) bool {
			return a.ValidView < 0 && r.precommitted(site, 0) == a.Entry && r.precommitted(site, 1) != None
		}},
	}
	e := explorer{Model: m, found: newFound()}
	missing := len(list)
	e.explore(func(s State, _ bool) bool {
		for i := range list {
			if to := &list[i]; to.then == (Action{}) && m.find(s, to) {
				missing--
				to.way = e.way(s)
				m.find(to.way[len(to.way)-1].State, to) // by the names on the way
			}
		}
		return missing > 0
	})
	return list
}

// find looks for an action that makes a state such a situation.
func (m *Model) find(s State, to *situation) (found bool) {
	r := m.read(s)
	for site, position := range m.positions {
		look := func(a Action) {
			if a.Site == position && !found && to.is(&r, site, a) {
				to.then, found = a, true
			}
		}
		if to.may {
			r.actions(func(a Action, _ State) { look(a) })
		} else if r.lock(site) != 0 {
			r.forbidden(site, look)
		}
	}
	return found
}

// against tells whether a site is locked on another entry than it would vote for.
func (r *reading) against(site int, a Action) bool {
	return r.lock(site) != 0 && r.lock(site).entry() != a.Entry
}

// forbidden calls yield with the prevotes that only its lock keeps a site from, in a view that it can enter.
func (r *reading) forbidden(site int, yield func(Action)) {
	entry := A + B - r.lock(site).entry()
	for view := r.view(site) + 1; view < r.model.cfg.Views && r.enters(site, view); view++ {
		if _, ok := r.acceptable(site, view, entry); ok {
			continue
		}
		for validView := -1; validView < view; validView++ {
			if view == r.model.cfg.Liar || r.proposed(view) == proposalOf(entry, validView) {
				yield(r.action(Prevote, site, view, entry, validView))
			}
		}
	}
}

// drive takes a way and what comes then; it reports whether the machines came that far, and were
// tempted if that was the point. A message that the liar has sent before may be in the way.
func (m *mesh) drive(to situation) bool {
	for _, step := range to.way {
		m.note("site %d is to %s %s in view %d (valid view %d)", step.Site+1, step.Kind, step.Entry, step.View, step.ValidView)
		if s := m.site(step.Site); s.over || s.view > step.View || !m.arrange(step.Action, true) {
			return false
		}
	}
	s := m.site(to.then.Site)
	m.note("%s: site %d, %s %s in view %d (valid view %d)", to.name, s.position+1, to.then.Kind, to.then.Entry, to.then.View, to.then.ValidView)
	if s.over || s.view > to.then.View {
		return false
	}
	voted := m.arrange(to.then, to.may)
	return voted == to.may && (to.may || s.holds[to.then.Entry] && s.offered[to.then.View])
}
