package api

import (
	"slices"

	"github.com/weft-mesh/weft/block"
)

// Rewound is where a run goes on from: the model of a round of an earlier run, whose rounds are told as its own.
type Rewound struct {
	Run    block.CID `json:"run"`
	Round  uint64    `json:"round"`  // by that run's own count; 0: what it began with
	Before uint64    `json:"before"` // rounds before the run's own first
	Base   block.CID `json:"base"`   // what the first of all these rounds began with
}

// Link tells the rounds of runs that continue others from the first of all, and counts theirs on from there. Runs stand in the
// order of their openings.
func Link(runs []RunStatus) {
	for i := range runs {
		r := &runs[i]
		if r.Continues == nil {
			continue
		}
		if at := slices.IndexFunc(runs[:i], func(e RunStatus) bool { return e.ID == r.Continues.Run }); at >= 0 {
			r.follow(&runs[at])
		}
	}
}

// follow takes over the rounds of an earlier run up to where this one goes on.
func (r *RunStatus) follow(earlier *RunStatus) {
	to := *r.Continues
	to.Before, to.Base = to.Round, earlier.Spec.Base
	if c := earlier.Continues; c != nil {
		to.Before, to.Base = c.Before+to.Round, c.Base
	}
	r.Continues = &to
	var history []RoundStatus
	for _, h := range earlier.History {
		if h.Round <= to.Before {
			history = append(history, h)
		}
	}
	for _, h := range r.History {
		h.Round += to.Before
		history = append(history, h)
	}
	r.History = history
	var figures []ModelFigures
	for _, f := range earlier.Figures {
		if f.Round < to.Before || f.Round == to.Before && r.FiguresOf(0) == nil {
			figures = append(figures, f)
		}
	}
	for _, f := range r.Figures {
		f.Round += to.Before
		figures = append(figures, f)
	}
	r.Figures = figures
	r.Round, r.Rounds, r.Done = r.Round+to.Before, r.Rounds+to.Before, r.Done+to.Before
	if r.Trains > 0 {
		r.Trains += to.Before
	}
	if r.Best != nil {
		best := *r.Best
		best.Round += to.Before
		r.Best = &best
	}
}

// Before returns how many rounds are told of the run before its own first.
func (r *RunStatus) Before() uint64 {
	if r.Continues == nil {
		return 0
	}
	return r.Continues.Before
}

// Began returns what the first round that is told of the run began with.
func (r *RunStatus) Began() block.CID {
	if r.Continues != nil && r.Continues.Base.Defined() {
		return r.Continues.Base
	}
	return r.Spec.Base
}

// Yielded returns the run of a list that yielded a round which is told of one, and the round's number by that run's own count.
func Yielded(runs []RunStatus, r *RunStatus, number uint64) (*RunStatus, uint64) {
	for c := r.Continues; c != nil; c = r.Continues {
		if number > c.Before {
			return r, number - c.Before
		}
		at := slices.IndexFunc(runs, func(e RunStatus) bool { return e.ID == c.Run })
		if at < 0 {
			break
		}
		r = &runs[at]
	}
	return r, number
}
