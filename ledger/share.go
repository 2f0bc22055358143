package ledger

import "slices"

// Weights returns what the updates of a round's first seal weigh in a run: their samples, at most the run's cap of them, less for
// each round that they are late, and no more than [Cap] leaves. Later seals keep them. The statements have been read.
func (l *Ledger) Weights(r *Run, s *Seal) []uint64 {
	weights := make([]uint64, len(s.Updates))
	for i := range s.Updates {
		u := s.Updates[i].Update.Update()
		weights[i] = r.Spec.Weight(u.Samples, s.Round-u.Round)
	}
	if r.Bounded && r.Bounds.Share != OpenShare {
		most := Cap(weights, l.roster.F())
		for i := range weights {
			weights[i] = min(weights[i], most)
		}
	}
	return weights
}

// Cap returns the most that one update of a seal may weigh where f sites may lie: the largest integer for which the k heaviest
// updates, each at most that, weigh no more than all others together, with k = max(1, f), but at most half of the updates. So
// liars have at most half, whatever samples they state, and an honest site that has more than half of the samples is cut to that
// and no further. If nothing is cut, it is the heaviest weight.
//
// It follows from the seal alone, as validity must. The samples of a run's consents would not: sites know different ones. A
// multiple of the median would leave a liar most of the weight, or cut honest sites of other sizes.
func Cap(weights []uint64, f int) uint64 {
	heaviest := slices.Sorted(slices.Values(weights))
	slices.Reverse(heaviest)
	k := min(max(1, f), len(weights)/2)
	fits := func(most uint64) bool {
		var first, rest uint64 // below 2^53 in all
		for i, w := range heaviest {
			if w = min(w, most); i < k {
				first += w
			} else {
				rest += w
			}
		}
		return first <= rest
	}
	if len(weights) == 0 {
		return 0
	}
	// With all cut to the lightest, it fits. What the others weigh more than the k heaviest grows by less and less with the cap,
	// then falls: so there is one place where it ceases to fit.
	low, high := uint64(0), heaviest[0]
	for low < high {
		if mid := high - (high-low)/2; fits(mid) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}
