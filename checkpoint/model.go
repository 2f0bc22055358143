package checkpoint

import (
	"errors"
	"fmt"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// Model is a model of a run in a store, open to be written as one file.
type Model struct {
	weights   *blockstore.Artifact
	constants *blockstore.Artifact // nil: none
	metadata  map[string]string
	leave     Leave
}

// OpenModel opens a model, by its manifest, and what its run has beside the weights, without the tensors that each site has its own
// of, and without the state of optimizers. If that names none as such, the first values of a site's own are part of the model.
func OpenModel(open func(block.CID) (*blockstore.Artifact, error), weights block.CID, beside ledger.Beside) (*Model, error) {
	a, err := open(weights)
	if err != nil {
		return nil, err
	}
	m := &Model{weights: a, metadata: beside.Metadata(), leave: Leave{Local: beside.Local, Optimizer: true}}
	if beside.Tensors.Defined() {
		if m.constants, err = open(beside.Tensors); err != nil {
			return nil, errors.Join(fmt.Errorf("the run's constants: %w", err), a.Close())
		}
	}
	return m, nil
}

// KeepOptimizer has the state of optimizers written too: the file is what a run begins with.
func (m *Model) KeepOptimizer() { m.leave.Optimizer = false }

// Size returns the size of the file.
func (m *Model) Size() (int64, error) {
	var constants tensor.Layout
	if m.constants != nil {
		constants = m.constants.Layout
	}
	return MergedSize(m.weights.Layout, constants, m.metadata, m.leave)
}

// Write writes the file, verified shard by shard.
func (m *Model) Write(w io.Writer) error {
	less := m.leave.Optimizer && HasOptimizer(m.weights.Layout)
	if m.constants == nil && len(m.metadata) == 0 && !less {
		return m.weights.Export(w)
	}
	weights, end := stream(m.weights)
	defer end()
	if m.constants == nil {
		return Merge(w, weights, nil, m.metadata, m.leave)
	}
	constants, end := stream(m.constants)
	defer end()
	return Merge(w, weights, constants, m.metadata, m.leave)
}

// stream returns the artifact's file, and what ends its writing, to its end or before.
func stream(a *blockstore.Artifact) (file io.Reader, end func()) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(a.Export(w))
	}()
	return r, func() {
		r.CloseWithError(io.ErrClosedPipe)
		<-done
	}
}

// Close ends reading.
func (m *Model) Close() error {
	err := m.weights.Close()
	if m.constants != nil {
		err = errors.Join(err, m.constants.Close())
	}
	return err
}
