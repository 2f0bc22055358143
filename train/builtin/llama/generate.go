package llama

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/weft-mesh/weft/train/builtin/kernel"
)

// ErrNotFinite is returned for a model that gives no finite figures.
var ErrNotFinite = errors.New("the model's figures are not finite")

// Generate returns the n bytes with which the model goes on from a prompt of at least one byte, of which it sees the last Context.
// At temperature 0 each is the likeliest, the first of equals; otherwise it is drawn, by a generator with this seed, from the model's
// distribution with logits divided by the temperature. It returns ctx's error when ctx ends first.
func (m *Model) Generate(ctx context.Context, prompt []byte, n int, temperature float64, seed uint64) ([]byte, error) {
	p, chance := newPass(m), rand.New(rand.NewPCG(seed, 3))
	text := slices.Clone(prompt)
	for range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seen := text[max(0, len(text)-m.Context):]
		p.forward(seen)
		next, err := draw(p.logits[(len(seen)-1)*Vocab:][:Vocab], temperature, chance)
		if err != nil {
			return nil, err
		}
		text = append(text, next)
	}
	return text[len(prompt):], nil
}

// draw chooses a byte by its logits.
func draw(logits []float32, temperature float64, chance *rand.Rand) (byte, error) {
	top, sum := kernel.Max(logits), float64(0)
	for _, v := range logits {
		sum += float64(v - top)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, ErrNotFinite
	}
	likeliest := byte(slices.Index(logits, top))
	if temperature == 0 {
		return likeliest, nil
	}
	var weights [Vocab]float64
	var total float64
	for i, v := range logits {
		weights[i] = math.Exp(float64(v-top) / temperature)
		total += weights[i]
	}
	left := chance.Float64() * total
	for i, w := range weights {
		if left -= w; left < 0 {
			return byte(i), nil
		}
	}
	return likeliest, nil // rounding has left nothing to draw from
}
