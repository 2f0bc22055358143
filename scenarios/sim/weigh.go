package sim

import (
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round/runs"
)

// weigh answers on a run that another site asks for as a site does that takes part in every run: once the manifest of its base can
// be had, and within what it consents to of itself. It looks again as long as the run is asked for.
func (s *site) weigh(j runs.Weigh) {
	if r := s.machine.Ledger().Run(j.Run); s.asked(j.Run) == nil && (r == nil || !r.Active()) {
		return
	}
	base, known := s.w.cfg.Workload.Describe(j.Spec.Base)
	switch fits := known && base.Invalid == "" && base.Layout == j.Spec.Layout; {
	case s.Decline || known && !fits:
		s.happen(runs.Considered{Run: j.Run, Reason: "not here"})
	case j.Spec.By == s.id || fits && s.canHave(j.Spec.Base) && s.allows(j):
		s.happen(runs.Considered{Run: j.Run, Accept: true, Samples: s.samples()})
	default:
		s.later(searchWait, func() { s.weigh(j) })
	}
}

// asked returns a run that is asked for, nil if it is not.
func (s *site) asked(run block.CID) *runs.AskedRun {
	for _, a := range s.machine.Asked() {
		if a.Run == run {
			return &a
		}
	}
	return nil
}

// samples is what the site says that it has to train on.
func (s *site) samples() uint64 { return uint64(s.i) } // the first does not know

// canHave reports whether a site that can be reached has an artifact.
func (s *site) canHave(manifest block.CID) bool {
	return slices.ContainsFunc(s.w.holders[manifest], func(o *site) bool { return o == s || o.up && s.w.net.reaches(o.i, s.i) })
}

// allows reports whether the site consents of itself to one more run of an opener.
func (s *site) allows(j runs.Weigh) bool {
	live := map[block.CID]bool{}
	var taken []block.CID
	for _, r := range s.machine.Ledger().Runs() {
		if live[r.ID] = r.Active(); r.Active() && r.Spec.By == j.Spec.By && s.machine.Participates(r.ID, s.id) {
			taken = append(taken, r.ID)
		}
	}
	asked := s.machine.Asked()
	for i := range asked {
		live[asked[i].Run] = true
	}
	taken = runs.Ahead(asked, j.Run, j.Spec.By, s.id, func(run block.CID) bool { return s.machine.Ledger().Run(run) != nil }, taken)
	return s.allowance.Take(s.local(), j.Run, j.Spec.By, taken, func(run block.CID) bool { return live[run] }) == ""
}
