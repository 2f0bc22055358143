package reduction

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// values is an artifact of one shard of F32.
type values []float32

func (v values) ReadShard(_ int, _ []byte) (data []byte, err error) {
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data, nil
}

// late is a seal of a run in its third round, with updates of this round and of earlier ones.
type late struct {
	run     *ledger.Run
	seal    *ledger.Seal
	bases   map[block.CID]values
	updates map[block.CID]values
}

func drawLate(t *rapid.T, policy ledger.LatePolicy) late {
	const elements = 16
	name := func(i int) block.CID { return block.Sum(block.DagCBOR, []byte{byte(i)}) }
	draw := func(label string) (v values) {
		scale := rapid.SampledFrom([]float64{1e-3, 1, 1e6}).Draw(t, label+" scale")
		for range elements {
			v = append(v, float32(scale*rapid.Float64Range(-1, 1).Draw(t, label)))
		}
		return v
	}
	l := late{bases: map[block.CID]values{}, updates: map[block.CID]values{}}
	l.run = &ledger.Run{Spec: &ledger.RunSpec{Late: policy, LateNum: 1, LateDen: 2, LateMax: 2}, Round: 3}
	l.seal = &ledger.Seal{Round: 3}
	for i := range 3 {
		l.bases[name(i)] = draw("base")
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "updates") {
		u := ledger.Update{Run: name(9), Opened: 1, Attempt: 1, Metrics: map[string]float64{}, Round: rapid.Uint64Range(1, 3).Draw(t, "round"), Manifest: name(10 + i), Samples: rapid.Uint64Range(8, 1<<40).Draw(t, "samples")}
		u.Base = name(int(u.Round) - 1)
		l.updates[u.Manifest] = draw("update")
		signed := ledger.Signed{From: peer.ID([]byte{byte(i)}), Kind: ledger.KindUpdate, Body: block.Encode(&u), Sig: make([]byte, 64)}
		l.seal.Updates = append(l.seal.Updates, ledger.SealedUpdate{Update: signed, Weight: l.run.Spec.Weight(u.Samples, 3-u.Round)})
	}
	return l
}

// reduce returns the model of the seal.
func (l late) reduce(t *rapid.T) (model values) {
	var inputs []aggregate.Input
	for _, i := range l.run.Inputs(l.seal) {
		input := aggregate.Input{Weight: i.Weight, Update: l.updates[i.Manifest]}
		if i.Base.Defined() {
			input.Base = l.bases[i.Base]
		}
		inputs = append(inputs, input)
	}
	shape := aggregate.Shape{Shards: 1, Segments: func(int) []tensor.Segment { return []tensor.Segment{{DType: tensor.F32, Elements: 16}} }}
	base := l.bases[block.Sum(block.DagCBOR, []byte{2})]
	_, err := aggregate.Reduce(context.Background(), aggregate.Job{Round: 3, Shape: shape, Base: base, Inputs: inputs}, aggregate.Sink{Model: func(_ int, data []byte) error {
		for at := 0; at < len(data); at += 4 {
			model = append(model, math.Float32frombits(binary.LittleEndian.Uint32(data[at:])))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// outside returns the first element of the model that lies beyond what all sealed updates have there, or -1.
func (l late) outside(model values) int {
	for e, x := range model {
		least, most := float32(math.Inf(1)), float32(math.Inf(-1))
		for _, u := range l.updates {
			least, most = min(least, u[e]), max(most, u[e])
		}
		if x < least || x > most {
			return e
		}
	}
	return -1
}

// TestAverageStaysInTheHull: with late updates averaged, each element of a mean lies between those that sites sent. Carried over
// it need not, which is what Average is for.
func TestAverageStaysInTheHull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLate(t, ledger.Average)
		if model := l.reduce(t); l.outside(model) >= 0 {
			t.Fatalf("element %d of %v is outside of %v", l.outside(model), model, l.updates)
		}
	})
	left := false
	rapid.Check(t, func(t *rapid.T) {
		l := drawLate(t, ledger.Carry)
		left = left || l.outside(l.reduce(t)) >= 0
	})
	if !left {
		t.Error("no late update that was carried over took an element beyond what sites sent: the test shows nothing")
	}
}
