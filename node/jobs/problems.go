package jobs

import (
	"maps"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
)

// Problem is what keeps a site from going on, and what to do about it. The text may have words of others, the hint has none.
type Problem struct{ Text, Hint string }

// problems are what keeps jobs from ending at the moment, by what each is about.
type problems struct {
	mu  sync.Mutex
	all map[string]Problem
}

func newProblems() *problems { return &problems{all: map[string]Problem{}} }

// set notes what goes wrong.
func (p *problems) set(about, text, hint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[about] = Problem{text, hint}
}

// solved notes that something goes well again.
func (p *problems) solved(about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, about)
}

// first returns what goes wrong, if anything.
func (p *problems) first() Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(p.all)) {
		return p.all[about]
	}
	return Problem{}
}

// over forgets why trainings of runs have failed that are over.
func (p *problems) over(seen Seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range seen.Over() {
		delete(p.all, trainingOf(run))
	}
}

// trainingOf is what problems of a run's trainings are about.
func trainingOf(run block.CID) string { return "train " + run.String() }
