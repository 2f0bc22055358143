package api

import (
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/ledger"
)

// What of a round is more than one site should have of it: people are warned.
const (
	heavy = 0.5 // of the weight
	long  = 10  // times the median of the changes' norms
)

// weigh notes what part of the round each site has, and how long the changes of the updates are.
func (r *RoundStatus) weigh(l *ledger.Ledger, s *ledger.Seal) {
	var total uint64
	var norms []float64
	for i := range s.Updates {
		total += s.Updates[i].Weight
		if norm, ok := s.Updates[i].Update.Update().Norm.Read(); ok {
			norms = append(norms, norm)
		}
	}
	median := middle(norms)
	r.Shares = map[string]float64{}
	for i := range s.Updates {
		site := l.Name(s.Updates[i].Update.From)
		r.Shares[site] = float64(s.Updates[i].Weight) / float64(total)
		norm, ok := s.Updates[i].Update.Update().Norm.Read()
		if !ok {
			continue
		}
		if r.Norms == nil {
			r.Norms, r.NormRatios = map[string]float64{}, map[string]float64{}
		}
		if r.Norms[site] = norm; median > 0 {
			r.NormRatios[site] = norm / median
		}
	}
}

// middle returns the median, of an even number the mean of the middle two; 0 of none.
func middle(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// Warnings says which sites have more of the round than one should: more than half of its weight, or a change of ten times the
// median's norm.
func (r *RoundStatus) Warnings() (list []string) {
	for _, site := range r.Sites {
		if share := r.Shares[site]; r.heavy(site) {
			list = append(list, fmt.Sprintf("%s has %.0f %% of the weight of round %d", site, 100*share, r.Round))
		}
		if ratio := r.NormRatios[site]; r.long(site) {
			list = append(list, fmt.Sprintf("the update of %s in round %d changes the model by %.3g times the median", site, r.Round, ratio))
		}
	}
	return list
}

func (r *RoundStatus) heavy(site string) bool { return len(r.Sites) > 1 && r.Shares[site] > heavy }
func (r *RoundStatus) long(site string) bool  { return r.NormRatios[site] > long }
