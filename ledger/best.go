package ledger

import (
	"maps"
	"math"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Chosen is the best of a run's models so far, by what the sites say that they measured.
type Chosen struct {
	Round uint64    // whose model it is; 0: the run's base
	Model block.CID // manifest
	State block.CID // of the outer step, that it was committed with; undefined: none
	Since uint64    // models since then, in a row, that could be compared with it and were no better

	figures map[peer.ID]Measured
}

// Best returns the best model so far of a run that chooses one, nil as long as none was measured.
func (r *Run) Best() *Chosen { return r.best }

// look takes in what a seal's updates say of the round's base. What a late one says of the model that it began from completes
// the best's figures, if that is the one.
func (r *Run) look(l *Ledger, s *Seal) {
	of := map[peer.ID]Measured{}
	for i := range s.Updates {
		from, u := s.Updates[i].Update.From, s.Updates[i].Update.Update()
		m, err := u.Figures.Read()
		if err != nil || !r.Terms.Measures(u.Round-1, false) {
			continue
		}
		r.measured = true
		if u.Round == s.Round {
			of[from] = m
		} else if r.best != nil && r.best.Round == u.Round-1 {
			r.best.complete(from, m)
		}
	}
	r.choose(l, s.Round-1, of)
}

// choose looks at a round's model that the sites have measured: it is the best if it is better than the best so far.
func (r *Run) choose(l *Ledger, round uint64, of map[peer.ID]Measured) {
	by := r.Terms.Best
	if by == nil {
		return
	}
	maps.DeleteFunc(of, func(_ peer.ID, m Measured) bool { _, has := m.Metrics[by.Metric]; return !has })
	model, begun := r.BaseOf(round + 1)
	if len(of) == 0 || !begun {
		return
	}
	next := &Chosen{Round: round, Model: model, State: r.StateOf(round + 1), figures: of}
	if r.best == nil {
		r.best = next
		return
	}
	switch gain, comparable := by.compare(l.inForce(r.best.figures), of, r.Spec.SampleCap); {
	case !comparable:
	case gain > by.MinDelta:
		r.best = next
	default:
		r.best.fail()
	}
}

// inForce returns the figures of the sites that are in the roster, by the keys that they have now.
func (l *Ledger) inForce(of map[peer.ID]Measured) map[peer.ID]Measured {
	now := map[peer.ID]Measured{}
	for id, m := range of {
		if heir := l.Heir(id); l.roster.Has(heir) {
			now[heir] = m
		}
	}
	return now
}

// stopEarly ends the run with the commit of a height, once as many models in a row were no better as its terms allow.
func (r *Run) stopEarly(height uint64) {
	if n := r.Terms.StopAfter; n > 0 && r.best != nil && r.best.Since >= n && r.Active() {
		r.Plateau = height
	}
}

// complete adds the figures of a site that came late.
func (c *Chosen) complete(site peer.ID, m Measured) {
	if _, has := c.figures[site]; !has {
		c.figures[site] = m
	}
}

// fail notes a model that is no better.
func (c *Chosen) fail() { c.Since++ }

// compare returns by how much a model is better than another at the sites that have measured both, less than 0 if it is worse.
// They cannot be compared if too little of what measured the old one is among them. Every figure of old has the metric or not;
// each of next has it.
func (b *Best) compare(old, next map[peer.ID]Measured, maxSamples uint64) (gain float64, comparable bool) {
	var gains []float64 // ascending by site, as the sum of floats depends on the order
	var weights []uint64
	var sites, all, common uint64
	for _, site := range slices.SortedFunc(maps.Keys(old), CompareIDs) {
		was, has := old[site].Metrics[b.Metric]
		if !has {
			continue
		}
		weight := old[site].Samples
		if maxSamples > 0 {
			weight = min(weight, maxSamples)
		}
		sites, all = sites+1, all+weight
		now, both := next[site]
		if !both {
			continue
		}
		common += weight
		diff := now.Metrics[b.Metric] - was
		if b.Mode == Min {
			diff = -diff
		}
		gains, weights = append(gains, diff), append(weights, weight)
	}
	if b.By == ByMedian {
		return lowerMedian(gains), uint64(len(gains))*2 > sites
	}
	return weightedMean(gains, weights, common), len(gains) > 0 && common*2 >= all
}

// weightedMean returns the mean of values, NaN if the sum of the products is no number: it then compares with nothing. Each
// product is rounded by itself, or machines that fuse it with the sum would differ.
func weightedMean(values []float64, weights []uint64, total uint64) float64 {
	sum := 0.0
	for i, v := range values {
		sum += float64(float64(weights[i]) * v)
	}
	return sum / float64(total)
}

// lowerMedian returns the median of values, the lower of two in the middle.
func lowerMedian(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}
