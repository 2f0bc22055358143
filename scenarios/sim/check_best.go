package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// selection holds which model of a run is the best: it keeps the figures of the decided entries, and compares them as
// docs/protocol.md says.
type selection struct {
	c     *checker
	runs  map[block.CID]*selecting
	heirs map[peer.ID]peer.ID // replaced key -> the one in its place
}

// selecting is a run whose terms are in force.
type selecting struct {
	terms   ledger.Terms
	most    uint64                                 // samples that a site counts with
	figures map[uint64]map[peer.ID]ledger.Measured // by the round of the model
	best    int64                                  // round; -1: none yet
	since   uint64
	over    bool // no better model is expected
}

func (t *selection) of(c *checker) {
	t.c, t.runs, t.heirs = c, map[block.CID]*selecting{}, map[peer.ID]peer.ID{}
}

func (t *selection) opened(run block.CID, spec *ledger.RunSpec) {
	terms, err := spec.Selection.Read()
	if err != nil || terms.Best == nil || t.c.w.genesis.Protocol < ledger.SelectionProtocol {
		return
	}
	t.runs[run] = &selecting{terms: terms, most: spec.SampleCap, figures: map[uint64]map[peer.ID]ledger.Measured{}, best: -1}
}

// sealed is told of each seal: there is none once a run is over.
func (t *selection) sealed(b *ledger.Seal) {
	if r := t.runs[b.Run]; r != nil && r.over {
		t.c.w.fail(-1, PromiseBest, fmt.Sprintf("round %d is sealed, %d models in a row were no better", b.Round, r.since))
	}
}

// committed takes the figures that stand in the updates of a committed seal.
func (t *selection) committed(b *ledger.Commit, seal *ledger.Seal) {
	r := t.runs[b.Run]
	if r == nil {
		return
	}
	for i := range seal.Updates {
		u := seal.Updates[i].Update.Update()
		m, err := u.Figures.Read()
		if every := r.terms.Every; err != nil || every != nil && (*every == 0 || (u.Round-1)%*every > 0) {
			continue
		}
		if _, has := r.of(u.Round - 1)[seal.Updates[i].Update.From]; !has {
			r.figures[u.Round-1][seal.Updates[i].Update.From] = m
		}
	}
	t.choose(b.Run, b.Round-1)
}

// closed takes the figures of the last model.
func (t *selection) closed(b *ledger.Closing) {
	r := t.runs[b.Run]
	if r == nil {
		return
	}
	last := uint64(len(t.c.bases[b.Run]) - 1)
	maps.Copy(r.of(last), b.Measured())
	t.choose(b.Run, last)
}

func (r *selecting) of(round uint64) map[peer.ID]ledger.Measured {
	if r.figures[round] == nil {
		r.figures[round] = map[peer.ID]ledger.Measured{}
	}
	return r.figures[round]
}

// choose compares a model with the best so far.
func (t *selection) choose(run block.CID, round uint64) {
	r := t.runs[run]
	has := func(m ledger.Measured) bool { _, ok := m.Metrics[r.terms.Best.Metric]; return ok }
	if !slices.ContainsFunc(slices.Collect(maps.Values(r.of(round))), has) {
		return
	}
	if r.best < 0 {
		r.best = int64(round)
		return
	}
	gain, comparable := r.gain(t.inForce(r.of(uint64(r.best))), r.of(round))
	switch {
	case !comparable:
	case gain:
		if r.terms.Best.By == ledger.ByMedian {
			t.real(run, uint64(r.best), round)
		}
		r.best, r.since = int64(round), 0
	default:
		r.since++
		r.over = r.terms.StopAfter > 0 && r.since >= r.terms.StopAfter
	}
}

// changed notes which key took the place of another.
func (t *selection) changed(c *ledger.Change) {
	if c.Remove != nil && c.Add != nil {
		t.heirs[c.Remove.ID] = c.Add.ID
	}
}

// inForce returns the figures of sites that are in the roster, by their newest keys.
func (t *selection) inForce(of map[peer.ID]ledger.Measured) map[peer.ID]ledger.Measured {
	now := map[peer.ID]ledger.Measured{}
	for id, m := range of {
		if heir := t.heir(id); slices.Contains(t.c.members, heir) {
			now[heir] = m
		}
	}
	return now
}

// heir returns the newest key of a site.
func (t *selection) heir(id peer.ID) peer.ID {
	for t.heirs[id] != "" {
		id = t.heirs[id]
	}
	return id
}

// gain says whether a model is better than another at the sites that have measured both.
func (r *selecting) gain(old, next map[peer.ID]ledger.Measured) (better, comparable bool) {
	b := r.terms.Best
	sum, all, common := 0.0, uint64(0), uint64(0)
	sites, up, both := 0, 0, 0
	for _, id := range slices.Sorted(maps.Keys(old)) {
		was := old[id]
		v, has := was.Metrics[b.Metric]
		if !has {
			continue
		}
		weight := was.Samples
		if r.most > 0 {
			weight = min(weight, r.most)
		}
		sites, all = sites+1, all+weight
		now, has := next[id].Metrics[b.Metric]
		if !has {
			continue
		}
		both, common = both+1, common+weight
		diff := now - v
		if b.Mode == ledger.Min {
			diff = v - now
		}
		if diff > b.MinDelta {
			up++
		}
		product := float64(weight) * diff // with a name, so that nothing fuses it with the sum
		sum += product
	}
	if b.By == ledger.ByMedian {
		return 2*up > both, 2*both > sites // more than half of them, and so the lower of two in the middle
	}
	return sum/float64(common) > b.MinDelta, both > 0 && 2*common >= all
}

// real holds that an honest site finds by itself the gain that counted.
func (t *selection) real(run block.CID, old, next uint64) {
	r := t.runs[run]
	for was := range r.of(old) {
		now := t.heir(was)
		before, after := t.c.w.sites[t.c.w.index[was]], t.c.w.sites[t.c.w.index[now]]
		if _, both := r.of(next)[now]; !both || before.liar != nil || after.liar != nil {
			continue
		}
		v := before.finds(t.c.bases[run][old]).Metrics[r.terms.Best.Metric]
		w := after.finds(t.c.bases[run][next]).Metrics[r.terms.Best.Metric]
		if w > v == (r.terms.Best.Mode == ledger.Max) && w != v {
			return
		}
	}
	t.c.w.fail(-1, PromiseBest, fmt.Sprintf("the model of round %d counts as better than that of round %d: no honest site finds so", next, old))
}

// agrees holds that a site that has come to the newest entry has the same best model.
func (t *selection) agrees(s *site, e *ledger.Entry) {
	r := t.runs[e.Run()]
	if r == nil || s.machine.Ledger().Height() != uint64(len(t.c.chain)) || e.Height != uint64(len(t.c.chain)) {
		return
	}
	got := int64(-1)
	best := s.machine.Ledger().Run(e.Run()).Best()
	if best != nil {
		got = int64(best.Round)
	}
	if got != r.best || best != nil && best.Model != t.c.bases[e.Run()][r.best] {
		t.c.w.fail(s.i, PromiseBest, fmt.Sprintf("height %d: the best model is that of round %d, the figures say round %d", e.Height, got, r.best))
	}
}

// settled holds that the last model of a run that is over was measured, and that the best is held.
func (t *selection) settled() {
	for run, r := range t.runs {
		if r.best >= 0 {
			t.c.held(t.c.bases[run][r.best])
		}
		for _, s := range t.c.w.sites {
			if s.liar != nil || !s.up || s.machine.Ledger().Run(run) == nil || !s.machine.Ledger().Roster().Has(s.id) {
				continue
			}
			if s.machine.Ledger().Run(run).Measurable() {
				t.c.w.fail(s.i, PromiseProgress, "what the sites measured of the last model is not in the ledger")
			}
		}
	}
}
