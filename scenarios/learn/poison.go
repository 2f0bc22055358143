package learn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/tensor"
)

// Poison spoils an update: its difference to the base is turned around or made a hundred times as large,
// one element is as large as can be, or its elements are no numbers.
func (l *Learner) Poison(how sim.Poison, j runs.Train, t sim.Trained) (sim.Trained, error) {
	scaled := func(scale float64) func(_ int, u, v float64) float64 {
		return func(_ int, u, v float64) float64 { return u + scale*(v-u) }
	}
	spoil, ok := map[sim.Poison]func(e int, u, v float64) float64{
		sim.SignFlip: scaled(-1), sim.Times100: scaled(100), sim.NaN: scaled(math.NaN()),
		sim.MaxFloat: func(e int, _, v float64) float64 {
			if e == 0 {
				return math.MaxFloat32
			}
			return v
		},
	}[how]
	if !ok {
		return t, fmt.Errorf("no poison %q", how)
	}
	manifest, err := l.away(j.Base, t.Update.Manifest, spoil)
	if err != nil {
		if l.failed == nil {
			l.failed = err
		}
		return t, err
	}
	if t.Update, err = l.add(manifest); err != nil {
		return t, err
	}
	if how == sim.NaN { // who fetches it looks
		t.Update.Invalid = "element is not finite"
		l.known[manifest] = t.Update
	}
	return t, nil
}

// away stores what spoil makes of the elements of each shard, given their places in it, the base's and the update's.
func (l *Learner) away(base, update block.CID, spoil func(e int, u, v float64) float64) (block.CID, error) {
	from, err := l.store.Open(base)
	if err != nil {
		return block.CID{}, err
	}
	defer from.Close()
	to, err := l.store.Open(update)
	if err != nil {
		return block.CID{}, err
	}
	defer to.Close()
	b, err := l.store.NewArtifact(from.Cut())
	if err != nil {
		return block.CID{}, err
	}
	for i := range from.Len() {
		x, err := from.ReadShard(i, nil)
		if err != nil {
			return block.CID{}, err
		}
		y, err := to.ReadShard(i, nil)
		if err != nil {
			return block.CID{}, err
		}
		for _, s := range from.Shard(i).Segments {
			if s.DType != tensor.F32 {
				return block.CID{}, fmt.Errorf("spoil an update: elements of type %s", s.DType)
			}
		}
		for at := 0; at+4 <= len(x); at += 4 {
			u, v := element(x[at:]), element(y[at:])
			binary.LittleEndian.PutUint32(y[at:], math.Float32bits(float32(spoil(i+at/4, u, v))))
		}
		if _, err := b.WriteShard(i, y); err != nil {
			return block.CID{}, err
		}
	}
	return b.Commit()
}

func element(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
