package aggregate

import (
	"bytes"
	"context"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

// TestWorked: changes count by steps, and no site gains more by what it says of them than the bounds leave.
func TestWorked(t *testing.T) {
	for name, c := range map[string]struct {
		usual                float64
		steps, lengths, want []float64
	}{
		"equal":                     {7, []float64{7, 7, 7}, []float64{1, 5, 9}, []float64{1, 1, 1}},
		"nine times slower":         {900, []float64{900, 900, 100, 900}, []float64{9, 9, 1, 9}, []float64{1, 1, 9, 1}},
		"claims one step":           {900, []float64{900, 900, 1, 900}, []float64{9, 9, 9, 9}, []float64{1, 1, 2, 1}},
		"claims one, a short one":   {900, []float64{900, 900, 1, 900}, []float64{9, 9, .5, 9}, []float64{1, 1, 10, 1}},
		"claims one, a long one":    {900, []float64{900, 900, 1, 900}, []float64{9, 9, 90, 9}, []float64{1, 1, 1, 1}},
		"claims many":               {900, []float64{900, 900, 1 << 40, 900}, []float64{9, 9, 9, 9}, []float64{1, 1, 900. / (1 << 40), 1}},
		"late ones count as is":     {100, []float64{900, 0, 100}, []float64{9, 90, 1}, []float64{100. / 900, 1, 1}},
		"honest and unlike, slower": {900, []float64{900, 900, 450, 900}, []float64{1, 1, 4, 1}, []float64{1, 1, 1, 1}},
	} {
		g, in := &Gram{}, make([]Meta, len(c.steps))
		for i := range in {
			in[i] = Meta{Weight: uint64(i + 1), Steps: uint64(c.steps[i])}
			g.squares = append(g.squares, c.lengths[i]*c.lengths[i])
		}
		got, verdicts := worked(in, g)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
				break
			}
			if cut := in[i].Steps > 0 && got[i] != c.usual/c.steps[i]; cut != (verdicts[i] != "") {
				t.Errorf("%s: input %d counts %v: %q", name, i, got[i], verdicts[i])
			}
		}
	}
}

// fixed is an artifact in memory, of one shard.
type fixed []byte

func (f fixed) ReadShard(int, []byte) ([]byte, error) { return f, nil }

// TestReduceBySteps: what counts by steps is added to the base, under fedavg and under clip, and steps of 0 leave the mean's bits.
func TestReduceBySteps(t *testing.T) {
	encode := func(v ...float64) fixed {
		data := make([]byte, 8)
		tensor.Encode(data, v, tensor.F32)
		return data
	}
	inputs := func(steps ...uint64) (in []Input) {
		for i, u := range []fixed{encode(10, 1), encode(10, 1), encode(2, 1)} {
			in = append(in, Input{Weight: 1, Update: u, Steps: steps[i]})
		}
		return in
	}
	for name, c := range map[string]struct {
		rule  string
		steps []uint64
		want  fixed
	}{
		"mean":            {"fedavg", []uint64{0, 0, 0}, encode(22./3, 1)},
		"nine times less": {"fedavg", []uint64{9, 9, 1}, encode(10, 1)}, // (9+9+9*1)/3 on a base of 1
		"clip":            {"clip", []uint64{9, 9, 1}, encode(10, 1)},
	} {
		s, err := NewStrategy(c.rule, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		shape := Shape{Shards: 1, Segments: func(int) []tensor.Segment { return []tensor.Segment{{DType: tensor.F32, Elements: 2}} }}
		job := Job{Strategy: s, Round: 1, Shape: shape, Base: encode(1, 1), Inputs: inputs(c.steps...)}
		var got []byte
		if _, err := Reduce(context.Background(), job, Sink{Model: func(_ int, data []byte) error { got = bytes.Clone(data); return nil }}); err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, []byte(c.want))
		}
	}
	job := Job{Shape: Shape{Shards: 1, Segments: func(int) []tensor.Segment { return nil }}, Inputs: inputs(1, 1, 1)}
	if _, err := Reduce(context.Background(), job, Sink{}); err == nil {
		t.Error("changes count by steps without a base")
	}
}
