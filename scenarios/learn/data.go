package learn

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/dirichlet"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// text is what one site trains on, and its mix: which part of it is of each of corpus.Kinds.
type text struct {
	data []byte
	mix  []float64
}

// leastText is the least that a site gets, in bytes: the embedded trainer wants some.
const leastText = 4 << 10

// deal deals the embedded texts out to n sites.
func deal(d scenarios.Data, n int, seed uint64) ([]text, error) {
	var kinds [][]byte
	for _, kind := range corpus.Kinds() {
		all, err := corpus.Sample{Kind: kind, Part: 1, Parts: 1}.Train()
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, all)
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	switch d.Partition {
	case scenarios.Dirichlet:
		return dealMixes(kinds, n, func() []float64 { return dirichlet.Draw(rng, len(kinds), d.Alpha) }), nil
	case scenarios.Shards:
		return dealShards(kinds, n, int(d.Shards), rng), nil
	}
	return dealSources(n, len(kinds))
}

// dealSources gives every site text of one kind.
func dealSources(n, kinds int) ([]text, error) {
	texts := make([]text, n)
	for i := range texts {
		sample, err := corpus.Site(i, n)
		if err != nil {
			return nil, err
		}
		if texts[i].data, err = sample.Train(); err != nil {
			return nil, err
		}
		if len(texts[i].data) < leastText {
			return nil, fmt.Errorf("%w: the text is too short for %d sites", scenarios.ErrScenario, n)
		}
		texts[i].mix = make([]float64, kinds)
		texts[i].mix[i%kinds] = 1
	}
	return texts, nil
}

// dealMixes gives every site as much text as any other, of each kind as its mix has it; a kind that is
// used up begins again.
func dealMixes(kinds [][]byte, n int, draw func() []float64) []text {
	total := 0
	for _, k := range kinds {
		total += len(k)
	}
	each := max(leastText, total/n)
	next := make([]int, len(kinds))
	texts := make([]text, n)
	for i := range texts {
		texts[i].mix = draw()
		for k, part := range texts[i].mix {
			for want := int(part * float64(each)); want > 0; {
				piece := kinds[k][next[k]:min(len(kinds[k]), next[k]+want)]
				texts[i].data = append(texts[i].data, piece...)
				want -= len(piece)
				next[k] = (next[k] + len(piece)) % len(kinds[k])
			}
		}
	}
	return texts
}

// dealShards cuts the text, sorted by kind, into equal pieces and deals so many to each site.
func dealShards(kinds [][]byte, n, each int, rng *rand.Rand) []text {
	all := bytes.Join(kinds, nil)
	order := rng.Perm(n * each)
	texts := make([]text, n)
	for i := range texts {
		texts[i].mix = make([]float64, len(kinds))
		for _, piece := range order[i*each : (i+1)*each] {
			from, to := len(all)*piece/(n*each), len(all)*(piece+1)/(n*each)
			texts[i].data = append(texts[i].data, all[from:to]...)
			at := 0
			for k := range kinds {
				texts[i].mix[k] += float64(max(0, min(to, at+len(kinds[k]))-max(from, at)))
				at += len(kinds[k])
			}
		}
		for k := range kinds {
			texts[i].mix[k] /= float64(len(texts[i].data))
		}
	}
	return texts
}
