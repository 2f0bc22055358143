package modelcheck

import (
	"fmt"
	"slices"
	"strings"
)

// Result is what a search has seen.
type Result struct {
	States      int // that differ in more than names
	Transitions int
	Depth       int // actions on the longest of the shortest ways to a state
	Violation   *Violation
}

// Violation is a property that does not hold, and the shortest way there.
type Violation struct {
	Property Property
	Trace    []string // the actions, for reading
	Text     string   // what does not hold after them
}

func (v *Violation) String() string {
	var b strings.Builder
	for i, line := range v.Trace {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, line)
	}
	fmt.Fprintf(&b, "%s does not hold: %s", v.Property, v.Text)
	return b.String()
}

// Explore goes through every state that can be reached, nearest first, until a property does not
// hold or there is nothing new.
func (m *Model) Explore(check Property) Result {
	e := explorer{Model: m, found: newFound()}
	var violation *Violation
	e.explore(func(s State, kept bool) bool {
		r := e.read(s)
		property, _ := broken(&r, check)
		if property == 0 && !kept {
			property = check & OneVote
		}
		if property != 0 {
			violation = e.trace(s, property)
		}
		return violation == nil
	})
	return Result{e.found.n, e.transitions, len(e.starts) - 1, violation}
}

type explorer struct {
	*Model
	found       *found
	starts      []int // of each depth in found
	transitions int
}

// explore visits every state that can be reached, nearest first, as long as visit likes, and says
// whether all votes stay what they are in whatever follows.
func (e *explorer) explore(visit func(s State, kept bool) bool) {
	e.found.add(0)
	end := 0 // of the states of this depth
	for i := 0; i < e.found.n; i++ {
		if i == end {
			e.starts = append(e.starts, i)
			end = e.found.n
		}
		s := e.found.at(i)
		r, kept := e.read(s), true
		r.actions(func(_ Action, next State) {
			e.transitions++
			kept = kept && s.keeps(next)
			e.found.add(e.canonical(next))
		})
		if !visit(s, kept) {
			return
		}
	}
}

// trace makes the violation of a property in, or right after, a state of the newest depth.
func (e *explorer) trace(s State, property Property) *Violation {
	v := &Violation{Property: property}
	way := e.way(s)
	r := e.read(0)
	for _, step := range way {
		v.Trace = append(v.Trace, r.describe(step.Action))
		r = e.read(step.State)
	}
	if property != OneVote {
		_, v.Text = broken(&r, property)
		return v
	}
	for a, next := range e.Next(r.State) {
		if !r.keeps(next) {
			v.Trace, v.Text = append(v.Trace, r.describe(a)), twice(&r, next)
			break
		}
	}
	return v
}

// taken is an action and the state after it.
type taken struct {
	Action
	State
}

// way returns a shortest way to a state of the newest depth, or to one that differs in names only.
func (e *explorer) way(to State) []taken {
	var way []taken
	s := State(0)
	for _, want := range e.path(to) {
		for a, next := range e.Next(s) {
			if e.canonical(next) == want {
				way, s = append(way, taken{a, next}), next
				break
			}
		}
	}
	return way
}

// path returns a shortest way from the first state to another, without the first. No state knows
// where it came from; so each depth is looked through for one that leads on.
func (e *explorer) path(to State) []State {
	var path []State
	for depth := len(e.starts) - 2; depth >= 0; depth-- {
		path = append(path, to)
		to = e.before(to, e.starts[depth], e.starts[depth+1])
	}
	slices.Reverse(path)
	return path
}

func (e *explorer) before(to State, start, end int) State {
	for i := start; i < end; i++ {
		for _, next := range e.Next(e.found.at(i)) {
			if e.canonical(next) == to {
				return e.found.at(i)
			}
		}
	}
	panic("model: the search found a state that no state leads to")
}
