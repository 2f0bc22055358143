package sim

import (
	"encoding/binary"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// Workload is what training, artifacts and reducing are. Artifacts are known by their CIDs, so it
// keeps each once for all sites; the world keeps who holds which. Times are returned, not taken: for a
// site that is as fast as the workload means them.
type Workload interface {
	// Describe returns an artifact that a run's description, Train or Reduce has named.
	Describe(manifest block.CID) (Artifact, bool)
	// Train does a site's training; site is its index in Config.Sites.
	Train(site int, j runs.Train) (Trained, error)
	// Reduce computes the model of a seal; equal jobs give equal results at every site.
	Reduce(j runs.Reduce) (Reduced, error)
}

// Measurer is a workload whose sites measure models.
type Measurer interface {
	// Measure returns what a site finds of a model, false if it measures none.
	Measure(site int, model block.CID) (ledger.Measured, bool)
}

// Changer is a workload whose updates change a model by a norm.
type Changer interface {
	// Change returns the norm, and why the update is refused for it; empty: it is not.
	Change(update, base block.CID) (norm float64, invalid string)
}

// Artifact is a model or an update as it lies in a store and crosses a network.
type Artifact struct {
	Manifest block.CID
	Layout   block.CID
	Bytes    int64
	Invalid  string // why whoever has fetched it finds it unusable; empty: it is good
}

// Trained is what a training yields.
type Trained struct {
	Update  Artifact
	Samples uint64
	Steps   uint64 // of the whole training; one that a bell cuts short has done a part of them
	Metrics map[string]float64
	Figures *ledger.Measured // of the base; nil: it was not measured. The world sets it
	Took    time.Duration
	Skip    string // why the site offers nothing, in the place of the update; empty: it does
}

// Reduced is what a reduction yields: a model, or the input that cannot be aggregated.
type Reduced struct {
	Model Artifact
	State Artifact // the outer step's state after the round; the zero one if it has none
	Bad   *runs.BadInput
	Took  time.Duration
}

// Synthetic pretends: its artifacts are names and sizes.
type Synthetic struct {
	Bytes   int64         `json:"bytes"`             // of an update and of a model
	Time    time.Duration `json:"time"`              // of a training
	Spread  float64       `json:"spread"`            // a training takes up to so much longer, as a part of Time; by site and round
	Rate    float64       `json:"rate,omitempty"`    // bytes/s that a reduction reads; 0: 1e9
	State   bool          `json:"state,omitempty"`   // its runs have an outer step with a state
	Figures bool          `json:"figures,omitempty"` // its sites measure models

	Skips uint64 `json:"skips,omitempty"` // one training in so many is skipped when it is asked for first; 0: none

	Varies bool `json:"varies,omitempty"` // no training yields what another has, as on a GPU

	trained uint64
	known   map[block.CID]Artifact
	nan     map[block.CID]bool
	skipped map[block.CID]bool // by the manifest of the update that comes of it at last
}

var _ Workload = (*Synthetic)(nil)

// Spec returns the description of a run of so many rounds that starts from a pretended base.
func (y *Synthetic) Spec(name string, rounds uint64) *ledger.RunSpec {
	layout := block.Sum(block.DagCBOR, []byte("layout"))
	base := y.add(Artifact{Manifest: block.Sum(block.DagCBOR, []byte("base "+name)), Layout: layout, Bytes: y.Bytes})
	nonce := block.Sum(block.Raw, []byte(name)).Digest()
	s := &ledger.RunSpec{Name: name, Base: base.Manifest, Layout: layout, Rounds: rounds, Nonce: nonce[:16]}
	s.Default(1)
	return s
}

func (y *Synthetic) add(a Artifact) Artifact {
	if y.known == nil {
		y.known, y.nan, y.skipped = map[block.CID]Artifact{}, map[block.CID]bool{}, map[block.CID]bool{}
	}
	y.known[a.Manifest] = a
	return a
}

// Describe returns an artifact that was made before.
func (y *Synthetic) Describe(manifest block.CID) (Artifact, bool) {
	a, ok := y.known[manifest]
	return a, ok
}

// syntheticSteps are those of a whole training.
const syntheticSteps = 1000

// Train names an update after all that it depends on.
func (y *Synthetic) Train(site int, j runs.Train) (Trained, error) {
	name := y.name("update", uint64(site), j.Round, j.Opened, j.Attempt)
	name = append(append(name, j.Base.Bytes()...), j.Run.Bytes()...)
	if y.trained++; y.Varies {
		name = binary.BigEndian.AppendUint64(name, y.trained)
	}
	manifest := block.Sum(block.DagCBOR, name)
	d := manifest.Digest()
	part := float64(binary.BigEndian.Uint32(d[:4])) / (1 << 32)
	took := y.Time + time.Duration(part*y.Spread*float64(y.Time))
	if y.Skips > 0 && binary.BigEndian.Uint64(d[4:])%y.Skips == 0 && !y.skipped[manifest] {
		y.skipped[manifest] = true
		return Trained{Skip: "nothing to train on", Took: took}, nil
	}
	return Trained{
		Update:  y.add(Artifact{Manifest: manifest, Layout: j.Spec.Layout, Bytes: y.Bytes}),
		Samples: 100 + uint64(site),
		Steps:   syntheticSteps,
		Metrics: map[string]float64{"loss": 1 / float64(j.Round+1)},
		Took:    took,
	}, nil
}

// Reduce names a model after the base and the inputs with their weights, in order.
func (y *Synthetic) Reduce(j runs.Reduce) (Reduced, error) {
	rate := y.Rate
	if rate == 0 {
		rate = 1e9
	}
	took := time.Duration(float64(y.Bytes) * float64(len(j.Inputs)) / rate * float64(time.Second))
	name := append(y.name("model"), j.Base.Bytes()...)
	for _, in := range j.Inputs {
		if y.nan[in.Manifest] {
			return Reduced{Bad: &runs.BadInput{Site: in.Site, Shard: block.Sum(block.Raw, in.Manifest.Bytes()), Err: "not finite"}, Took: took}, nil
		}
		name = binary.BigEndian.AppendUint64(append(name, in.Manifest.Bytes()...), in.Weight)
		if in.Base.Defined() {
			name = append(name, in.Base.Bytes()...)
		}
		if in.Steps > 0 {
			name = binary.BigEndian.AppendUint64(name, in.Steps)
		}
	}
	done, layout := Reduced{Took: took}, y.known[j.Base].Layout
	if y.State { // a state may be wrong though the model is right
		name = append(name, j.State.Bytes()...)
		done.State = y.add(Artifact{Manifest: block.Sum(block.DagCBOR, append(y.name("state"), name...)), Layout: layout, Bytes: y.Bytes})
	}
	done.Model = y.add(Artifact{Manifest: block.Sum(block.DagCBOR, name), Layout: layout, Bytes: y.Bytes})
	return done, nil
}

// Measure finds losses that differ by site and model, and fall no more often than they rise.
func (y *Synthetic) Measure(site int, model block.CID) (ledger.Measured, bool) {
	d := block.Sum(block.Raw, append(y.name("figures", uint64(site)), model.Bytes()...)).Digest()
	return ledger.Measured{
		Samples: 1 + uint64(d[2]), Metrics: map[string]float64{"loss": float64(d[0]), "accuracy": float64(d[1]) / 256}, Took: uint64(y.Time.Milliseconds()) / 8,
	}, y.Figures
}

func (y *Synthetic) name(kind string, numbers ...uint64) []byte {
	b := []byte(kind)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}
