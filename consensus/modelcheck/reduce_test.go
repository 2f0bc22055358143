package modelcheck

import "testing"

// The searches here do without a reduction each, on maps and in the plainest way, and have to find
// the same.

// TestNames: states that differ in names only stand for each other.
func TestNames(t *testing.T) {
	for _, c := range []Config{{Views: 1, Liar: 0, Crashes: true}, {Views: 2, Liar: 0}} {
		if testing.Short() && c.Views > 1 {
			continue
		}
		m := model(t, c)
		plain := search(State(0), func(s State, yield func(State)) {
			for _, next := range m.Next(s) {
				yield(next)
			}
		})
		same(t, name(c), collect(plain, m.canonical), explored(m))
	}
}

// TestSilentMoves: a site may come to a view in the moment in which it first acts there, since
// nothing is lost by waiting. The plain search moves sites at any time.
func TestSilentMoves(t *testing.T) {
	type placed struct {
		State
		at [correct]int
	}
	for _, c := range []Config{{Views: 1, Liar: 1, Crashes: true}, {Views: 2, Liar: 1}, {Views: 2, Liar: 3, VotesBehind: true}} {
		if testing.Short() && c.Views > 1 && !c.VotesBehind {
			continue
		}
		m := model(t, c)
		plain := search(placed{}, func(p placed, yield func(placed)) {
			r := m.read(p.State)
			r.actions(func(a Action, next State) {
				for site, position := range m.positions {
					if position == a.Site && p.at[site] == a.View {
						yield(placed{lesser(next), p.at})
					}
				}
			})
			for site, at := range p.at {
				for view := at + 1; view < c.Views && r.enters(site, view); view++ {
					moved := placed{lesser(r.behind(p.State, site, view)), p.at}
					moved.at[site] = view
					yield(moved)
				}
			}
		})
		same(t, name(c), collect(plain, func(p placed) State { return m.canonical(p.State) }), explored(m))
	}
}

// lesser only makes the plain search half as large.
func lesser(s State) State { return min(s, s.renamed()) }

// TestUntimed: whatever is reached with timeouts and votes for nil, but for these votes, is reached
// without.
func TestUntimed(t *testing.T) {
	for _, c := range []Config{{Views: 1, Liar: 2, Crashes: true}, {Views: 2, Liar: 0}, {Views: 2, Liar: 1}, {Views: 2, Liar: 3}} {
		timed := model(t, c)
		c.Untimed = true
		untimed := model(t, c)
		more := explored(untimed)
		for s := range explored(timed) {
			if !more[untimed.canonical(withoutNil(s))] {
				t.Fatalf("%s: %#x is not reached untimed", name(c), uint64(s))
			}
		}
	}
}

func withoutNil(s State) State {
	for site := range correct {
		for view := range MaxViews {
			if s.prevoted(site, view) == Nil {
				s = s.withPrevote(site, view, None)
			}
			if s.precommitted(site, view) == Nil {
				s = s.withPrecommit(site, view, None)
			}
		}
	}
	return s
}

func model(t *testing.T, c Config) *Model {
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func explored(m *Model) map[State]bool {
	e := explorer{Model: m, found: newFound()}
	e.explore(func(State, bool) bool { return true })
	all := make(map[State]bool, e.found.n)
	for i := range e.found.n {
		all[e.found.at(i)] = true
	}
	return all
}

// search returns all that can be reached.
func search[T comparable](first T, next func(T, func(T))) map[T]bool {
	seen, queue := map[T]bool{first: true}, []T{first}
	for i := 0; i < len(queue); i++ {
		next(queue[i], func(n T) {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		})
	}
	return seen
}

func collect[T comparable](set map[T]bool, f func(T) State) map[State]bool {
	out := map[State]bool{}
	for x := range set {
		out[f(x)] = true
	}
	return out
}

func same(t *testing.T, name string, plain, reduced map[State]bool) {
	t.Helper()
	for s := range plain {
		if !reduced[s] {
			t.Fatalf("%s: the search misses %#x", name, uint64(s))
		}
	}
	if len(plain) != len(reduced) {
		t.Fatalf("%s: %d states plainly, %d in the search", name, len(plain), len(reduced))
	}
	t.Logf("%s: %d states", name, len(plain))
}

// TestFields: a state gives back what was put into it, and names can be exchanged.
func TestFields(t *testing.T) {
	for site := range correct {
		for view := range MaxViews {
			for _, v := range []Vote{Nil, A, B} {
				s := State(0).withPrevote(site, view, v).withPrecommit(site, view, v)
				if s.prevoted(site, view) != v || s.precommitted(site, view) != v || s.newestVote(site) != view {
					t.Errorf("site %d view %d: %s comes back as %s, %s of view %d", site, view, v, s.prevoted(site, view), s.precommitted(site, view), s.newestVote(site))
				}
				if s.renamed().renamed() != s || v == Nil && s.renamed() != s || v == A && s.renamed().prevoted(site, view) != B {
					t.Errorf("site %d view %d: %s renamed is %s", site, view, v, s.renamed().prevoted(site, view))
				}
				if !State(0).keeps(s) || s.keeps(0) || !s.keeps(s) {
					t.Errorf("site %d view %d: %s is kept wrongly", site, view, v)
				}
			}
			for _, entry := range entries {
				p := polkaFor(entry, view)
				s := State(0).withLock(site, p).withValid(site, p)
				if s.lock(site) != p || s.valid(site) != p || p.entry() != entry || p.view() != view || s.renamed().lock(site).entry() == entry || s.renamed().lock(site).view() != view {
					t.Errorf("site %d: a lock on %s in view %d comes back as %s in view %d", site, entry, view, s.lock(site).entry(), s.lock(site).view())
				}
				if other := (site + 1) % correct; s.exchanged(site, other).lock(other) != p || s.exchanged(site, other).lock(site) != 0 {
					t.Errorf("site %d: its lock does not change places", site)
				}
				for validView := -1; validView < view; validView++ {
					p := proposalOf(entry, validView)
					s := State(0).withProposal(view, p)
					if s.proposed(view) != p || p.entry() != entry || p.validView() != validView || s.renamed().proposed(view).entry() == entry || s.renamed().proposed(view).validView() != validView {
						t.Errorf("view %d: a proposal of %s, %d comes back as %s, %d", view, entry, validView, s.proposed(view).entry(), s.proposed(view).validView())
					}
				}
			}
		}
	}
}
