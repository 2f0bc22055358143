package runs

import "fmt"

// region is a state that moves by a table. A move that the table does not have is a bug of ours: strict
// sites, which are those of tests and the simulator, panic; others stay where they are.
type region[S, E interface {
	comparable
	fmt.Stringer
}] struct {
	at     S
	table  map[S]map[E]S
	strict bool
}

// on moves the region.
func (r *region[S, E]) on(event E) {
	to, ok := r.table[r.at][event]
	if ok {
		r.at = to
		return
	}
	if r.strict {
		panic(fmt.Sprintf("runs: %s does not follow in state %s", event, r.at))
	}
}
