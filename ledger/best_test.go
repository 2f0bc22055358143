package ledger

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// found are figures of one metric by site; samples are 10 times the site's number, or as given.
func found(values map[string]float64, samples ...uint64) map[peer.ID]Measured {
	of := map[peer.ID]Measured{}
	for site, v := range values {
		m := Measured{Samples: 10 * uint64(site[0]-'0'), Metrics: map[string]float64{"m": v}}
		if len(samples) > 0 {
			m.Samples = samples[0]
		}
		of[peer.ID(site)] = m
	}
	return of
}

func TestCompare(t *testing.T) {
	type values = map[string]float64
	for name, c := range map[string]struct {
		best       Best
		old, next  values
		most       uint64
		gain       float64
		comparable bool
	}{
		"weighted":               {Best{Mode: Max, By: ByMean}, values{"1": 1, "3": 1}, values{"1": 5, "3": 1}, 0, 1, true},
		"capped":                 {Best{Mode: Max, By: ByMean}, values{"1": 1, "3": 1}, values{"1": 5, "3": 1}, 10, 2, true},
		"less is better":         {Best{Mode: Min, By: ByMean}, values{"1": 1, "3": 1}, values{"1": 5, "3": 1}, 0, -1, true},
		"half of the weight":     {Best{Mode: Max, By: ByMean}, values{"1": 0, "2": 0, "3": 0}, values{"3": 1}, 0, 1, true},
		"less than half of it":   {Best{Mode: Max, By: ByMean}, values{"1": 0, "2": 0, "4": 0}, values{"1": 1, "2": 1, "5": 9}, 0, 1, false},
		"the lower middle":       {Best{Mode: Max, By: ByMedian}, values{"1": 0, "2": 0}, values{"1": 1, "2": -3}, 0, -3, true},
		"the lower middle, min":  {Best{Mode: Min, By: ByMedian}, values{"1": 0, "2": 0}, values{"1": 1, "2": -3}, 0, -1, true},
		"a liar":                 {Best{Mode: Min, By: ByMedian}, values{"1": 3, "2": 3, "3": 0}, values{"1": 4, "2": 5, "3": -1e300}, 0, -1, true},
		"half of the sites":      {Best{Mode: Max, By: ByMedian}, values{"1": 0, "2": 0}, values{"1": 1}, 0, 1, false},
		"nobody has both":        {Best{Mode: Max, By: ByMean}, values{"1": 0}, values{"2": 1}, 0, math.NaN(), false},
		"what has no other side": {Best{Mode: Max, By: ByMean}, values{"1": -math.MaxFloat64, "2": math.MaxFloat64}, values{"1": math.MaxFloat64, "2": -math.MaxFloat64}, 0, math.NaN(), true},
	} {
		c.best.Metric = "m"
		gain, comparable := c.best.compare(found(c.old), found(c.next), c.most)
		if gain != c.gain && !(math.IsNaN(gain) && math.IsNaN(c.gain)) || comparable != c.comparable {
			t.Errorf("%s: %v, %v, want %v, %v", name, gain, comparable, c.gain, c.comparable)
		}
	}
}

// TestMedianWithLiars: as long as at most half of the sites lie, a gain by the median is one that some honest site has measured.
func TestMedianWithLiars(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 1 + rng.IntN(9)
		b := Best{Metric: "m", By: ByMedian, Mode: []Mode{Min, Max}[rng.IntN(2)]}
		old, next, real := map[string]float64{}, map[string]float64{}, false
		for i := range n {
			site := string(rune('1' + i))
			old[site], next[site] = rng.NormFloat64(), rng.NormFloat64()
			if i < n/2 {
				old[site], next[site] = 1e300*rng.NormFloat64(), 1e300*rng.NormFloat64()
			} else if gain := next[site] - old[site]; gain > 0 == (b.Mode == Max) {
				real = true
			}
		}
		if gain, _ := b.compare(found(old), found(next), 0); gain > 0 && !real {
			t.Fatalf("%s, from %v to %v: a gain of %v that no honest site has measured", b.Mode, old, next, gain)
		}
	}
}

func FuzzSelection(f *testing.F) {
	every := uint64(3)
	f.Add([]byte(NewSelection(Terms{Every: &every, Best: &Best{Metric: "loss", Mode: Min, By: ByMean, MinDelta: 0.5}, StopAfter: 2}).Passed))
	f.Add(block.Encode(map[string]any{"stop_after": 1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		terms, err := (Selection{data}).Read()
		if err != nil || len(data) == 0 {
			return
		}
		if again := NewSelection(terms).Passed; !slices.Equal(again, data) && (terms != Terms{}) && (terms.Best == nil || terms.Best.MinDelta != 0) {
			t.Errorf("%x is read as %+v, which is %x", data, terms, again)
		}
	})
}

func FuzzFigures(f *testing.F) {
	f.Add([]byte(NewFigures(Measured{Samples: 3, Metrics: map[string]float64{"loss": 0.5}, Took: 7}).Passed))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := (Figures{data}).Read()
		if err != nil {
			return
		}
		if m.Samples == 0 || m.Samples > MaxSamples || len(m.Metrics) == 0 || len(m.Metrics) > MaxFigures {
			t.Errorf("%x is read as %+v", data, m)
		}
		if back, err := NewFigures(m).Read(); err != nil || back.Samples != m.Samples || len(back.Metrics) != len(m.Metrics) {
			t.Errorf("%+v, %v", back, err)
		}
	})
}
