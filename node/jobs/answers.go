package jobs

import (
	"sync"

	"github.com/weft-mesh/weft/block"
)

// answers are the runs whose answer by this site is still to come.
type answers struct {
	mu       sync.Mutex
	pending  map[block.CID]bool // runs that wait for the operator
	accepted map[block.CID]bool // runs whose answer by policy is on its way, or has come
}

func newAnswers() *answers {
	return &answers{pending: map[block.CID]bool{}, accepted: map[block.CID]bool{}}
}

// ask notes that a run waits for the operator.
func (a *answers) ask(run block.CID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending[run] = true
}

// byPolicy notes what the site's policy answers on a run.
func (a *answers) byPolicy(run block.CID, accept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted[run] = accept
}

// open reports whether the answer on a run is still to come.
func (a *answers) open(run block.CID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending[run] || a.accepted[run]
}

// waits reports whether a run waits for the operator.
func (a *answers) waits(run block.CID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending[run]
}

// given notes that the operator has answered on a run.
func (a *answers) given(run block.CID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pending, run)
	delete(a.accepted, run)
}
