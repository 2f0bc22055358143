package runs

import (
	"fmt"
	"testing"
)

func TestTrainingTable(t *testing.T) {
	checkTable(t, TrainingTable, []Training{Idle, Trains, Waiting, Offered}, []TrainingEvent{Start, Offer, Refuse, Fail, Halt, Reopen})
}

func TestPhaseTable(t *testing.T) {
	checkTable(t, PhaseTable, []Phase{Open, Enough, Sealed, Reducing, Computed, Spoilt}, []PhaseEvent{Suffice, Lack, Seal, Reduction, Compute, Blame, Begin})
}

// checkTable: the table has all states and events; from the first state all others can be reached, and from all
// others the first, so that none is a trap as long as the run goes on.
func checkTable[S, E interface {
	comparable
	fmt.Stringer
}](t *testing.T, table map[S]map[E]S, states []S, events []E) {
	t.Helper()
	if len(table) != len(states) {
		t.Errorf("the table has %d states of %d", len(table), len(states))
	}
	used := map[E]bool{}
	for _, from := range states {
		for e, to := range table[from] {
			if used[e] = true; table[to] == nil {
				t.Errorf("%s leads from %s to %s, which is no state of the table", e, from, to)
			}
		}
	}
	for _, e := range events {
		if !used[e] {
			t.Errorf("%s happens in no state", e)
		}
	}
	for _, s := range states {
		if !reaches(table, states[0], s) {
			t.Errorf("%s is never reached", s)
		}
		if !reaches(table, s, states[0]) {
			t.Errorf("%s is a trap", s)
		}
	}
}

// reaches reports whether events lead from one state to another.
func reaches[S, E comparable](table map[S]map[E]S, from, to S) bool {
	seen, next := map[S]bool{from: true}, []S{from}
	for len(next) > 0 {
		s := next[0]
		next = next[1:]
		for _, n := range table[s] {
			if !seen[n] {
				seen[n] = true
				next = append(next, n)
			}
		}
	}
	return seen[to]
}

// TestIllegalMove: a move that the table does not have panics in tests and the simulator; elsewhere the state stays.
func TestIllegalMove(t *testing.T) {
	idle := newTraining(false)
	if idle.on(Offer); idle.at != Idle {
		t.Errorf("an offer without a training leads to %s", idle.at)
	}
	idle.on(Start)
	if idle.at != Trains {
		t.Errorf("after that a training that starts leads to %s", idle.at)
	}
	defer func() {
		if recover() == nil {
			t.Error("a strict site does not panic")
		}
	}()
	strict := newTraining(true)
	strict.on(Offer)
}
