package llama

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// Bytes are drawn as often as the distribution says, at temperature 0 the likeliest, and never from figures that are none.
func TestDraw(t *testing.T) {
	logits := make([]float32, Vocab)
	for i := range logits {
		logits[i] = -100
	}
	logits['a'], logits['b'], logits['c'] = 1+float32(math.Log(0.5)), 1+float32(math.Log(0.25)), 1+float32(math.Log(0.25))
	share := func(temperature float64, of byte) float64 {
		chance, n := rand.New(rand.NewPCG(1, 1)), 0
		for range 10_000 {
			b, err := draw(logits, temperature, chance)
			if err != nil {
				t.Fatal(err)
			}
			if b == of {
				n++
			}
		}
		return float64(n) / 10_000
	}
	for _, c := range []struct {
		temperature float64
		of          byte
		want        float64
	}{{1, 'a', 0.5}, {1, 'b', 0.25}, {0, 'a', 1}, {0.5, 'a', 2. / 3}, {1e-9, 'a', 1}, {100, 'a', math.Pow(0.5, 0.01) / (math.Pow(0.5, 0.01) + 2*math.Pow(0.25, 0.01) + 253*math.Exp(-101./100))}} {
		if got := share(c.temperature, c.of); math.Abs(got-c.want) > 0.02 {
			t.Errorf("temperature %v: %q in %v, want %v", c.temperature, c.of, got, c.want)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		logits['z'] = float32(bad)
		if _, err := draw(logits, 0, nil); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
