package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// base is what a run begins with, in the store.
type base struct {
	weights, layout block.CID
	constants       ledger.Constants
	state           block.CID            // that the outer step begins with; undefined: none
	slots           map[string]block.CID // of the state
	note            string               // for the operator
}

// parts returns the artifacts that it consists of, each with what a run has it for.
func (b *base) parts(run block.CID) (list []part) {
	list = append(list, part{b.weights, index.Use{Run: run, As: index.AsModel}})
	if tensors := b.constants.Tensors(); tensors.Defined() {
		list = append(list, part{tensors, index.Use{Run: run, As: index.AsModel}})
	}
	for _, slot := range slices.Sorted(maps.Keys(b.slots)) {
		list = append(list, part{b.slots[slot], index.Use{Run: run, As: index.AsModel, Of: b.state}})
	}
	return list
}

// part is an artifact of a base.
type part struct {
	manifest block.CID
	use      index.Use
}

// noted returns the base with a further note.
func (b base) noted(note string) base {
	if b.note != "" {
		note = b.note + "; " + note
	}
	b.note = note
	return b
}

// frozen returns the base with the frozen model that the run's description names, which must be the one that the base says it was
// made for, if it says so.
func (b base) frozen(spec *ledger.RunSpec) (base, error) {
	asked, err := spec.Constants.Read()
	if err != nil || len(asked.Frozen) == 0 {
		return b, err
	}
	has, err := b.constants.Read()
	if err != nil {
		return b, err
	}
	if name := asked.Frozen.Differs(has.Frozen); name != "" && len(has.Frozen) > 0 {
		return b, api.RefuseField("frozen", "name the folder that it was made for; weft model digest --json lists a folder's files",
			fmt.Errorf("the model that the run begins with was made for a folder with another %s", name))
	}
	has.Frozen = asked.Frozen
	b.constants = ledger.NewConstants(has)
	return b, nil
}

// dropBase ends the use of a base for a run that is not asked for.
func (o *operator) dropBase(b base, run block.CID) {
	for _, p := range b.parts(run) {
		o.jobs.Drop(p.manifest, p.use)
	}
}

// sources counts what a request says of where the model comes from.
func sources(req api.RunRequest) (n int) {
	for _, is := range []bool{req.Model != "", req.Init, req.From != nil} {
		if is {
			n++
		}
	}
	return n
}

// takeBase returns the model that a run starts from, in the store, which an intake keeps there.
func (o *operator) takeBase(ctx context.Context, req api.RunRequest, spec *ledger.RunSpec, intake *jobs.Intake) (b base, err error) {
	if req.From != nil {
		intake.Begin()
		b, err = o.takeModel(ctx, req, spec)
	} else {
		b, err = o.takeFile(ctx, req, spec, intake)
	}
	if err != nil {
		return b, err
	}
	if b, err = b.frozen(spec); err != nil {
		return b, err
	}
	m, err := blockstore.ReadManifest(o.store, b.weights)
	if err != nil {
		return b, err
	}
	b.layout = m.Layout
	l, err := o.layoutOf(m)
	if err != nil {
		return b, err
	}
	if note := checkpoint.OptimizerNote(l); note != "" {
		if !spec.Plain() {
			return b, api.RefuseField("rule", "rule: fedavg without an outer step, or scripts that keep the state at each site",
				errors.New("the sites average the optimizer's state with the model, which only the mean of parameters leaves what it is"))
		}
		b = b.noted(note)
	}
	return b, o.checkState(spec, m, l)
}

// takeModel returns a model of an earlier run, which is held here, with that run's constants. Where the new run leaves other tensors
// at the sites than that one did, the model is parted anew.
func (o *operator) takeModel(ctx context.Context, req api.RunRequest, spec *ledger.RunSpec) (b base, err error) {
	const field = "model.from"
	from := *req.From
	earlier := o.views.now().runs[from.Run]
	if earlier == nil {
		return b, api.RefuseField(field, "weft run list shows the runs", fmt.Errorf("no run %s in this mesh", from.Run))
	}
	if _, err := o.roundOf(ctx, from.Run, from.Model); err != nil {
		return b, err
	}
	b = base{weights: from.Model, constants: earlier.Constants}
	if b, err = o.withState(ctx, b, spec, from); err != nil {
		return b, err
	}
	for _, p := range b.parts(from.Run) {
		err := o.jobs.Check(ctx, p.manifest)
		switch {
		case errors.Is(err, blockstore.ErrNotFound), errors.Is(err, blockstore.ErrIncomplete):
			return b, api.RefuseField(field, api.NotHeldHint, err)
		case err != nil:
			return b, err
		}
	}
	was, err := earlier.Constants.Read()
	if err != nil {
		return b, err
	}
	asked, err := spec.Constants.Read()
	switch {
	case err != nil:
		return b, err
	case slices.Equal(was.Local, asked.Local) && req.Wide:
		return o.widen(ctx, b)
	case slices.Equal(was.Local, asked.Local):
		return b, nil
	}
	return o.partAnew(ctx, from.Model, was, req, spec)
}

// withState adds the outer step's state that a model of an earlier run was committed with, if the new run has the same step: it
// goes on as if the run had.
func (o *operator) withState(ctx context.Context, b base, spec *ledger.RunSpec, from api.ModelOf) (base, error) {
	var was *ledger.RunSpec
	var state block.CID
	err := o.box.ask(ctx, func(m *round.Machine) {
		r := m.Ledger().Run(from.Run)
		was = r.Spec
		for number := uint64(1); ; number++ {
			model, begun := r.BaseOf(number)
			if !begun {
				return
			}
			if model == from.Model {
				state = r.StateOf(number)
			}
		}
	})
	if err != nil || !state.Defined() || !sameStep(was, spec) {
		return b, err
	}
	data, err := o.store.Get(state)
	if err != nil {
		return b, api.RefuseField("model.from", api.NotHeldHint, fmt.Errorf("the outer step's state %s: %w", state, err))
	}
	s, err := reduction.DecodeState(data)
	if err != nil {
		return b, err
	}
	b.state, b.slots = state, s.Slots
	return b.noted("the outer step goes on with its state of that round"), nil
}

// sameStep reports whether two runs have the same outer step, with the same parameters.
func sameStep(a, b *ledger.RunSpec) bool {
	one, err := a.Strategy.Read()
	other, wrong := b.Strategy.Read()
	return err == nil && wrong == nil && one.Outer == other.Outer && maps.Equal(one.Params, other.Params)
}

// partAnew takes in a model of an earlier run as one that other tensors stay at the sites of. Those of the earlier run, whose values
// are each site's own, are what that run began with.
func (o *operator) partAnew(ctx context.Context, model block.CID, was ledger.Beside, req api.RunRequest, spec *ledger.RunSpec) (b base, err error) {
	was.Local = nil
	m, err := checkpoint.OpenModel(o.store.Open, model, was)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	m.KeepOptimizer()
	f, err := os.CreateTemp(o.home.Path(site.TaskDir), "from-*.safetensors")
	if err != nil {
		return b, err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(m.Write(f), f.Close()); err != nil {
		return b, err
	}
	return o.takeIn(ctx, f.Name(), "model.from", spec, blockstore.ImportOptions{Wide: req.Wide})
}

// widen returns a base as F32, taken in once more if it is not.
func (o *operator) widen(ctx context.Context, b base) (base, error) {
	m, err := blockstore.ReadManifest(o.store, b.weights)
	if err != nil {
		return b, err
	}
	l, err := o.layoutOf(m)
	if err != nil {
		return b, err
	}
	if _, narrow := l.Wide(); !narrow {
		return b, nil
	}
	path, err := o.store.Path(b.weights)
	if err != nil {
		return b, err
	}
	i, err := checkpoint.Import(ctx, o.store, path, o.home.Path(site.TaskDir), nil, blockstore.ImportOptions{ShardElements: o.shard, Finite: true, Wide: true, Keep: true})
	return base{weights: i.Weights, constants: b.constants, note: i.Note()}, err
}

// takeFile takes in the model that a run starts from; the file of the request stays as it is. The intake begins once there is a file:
// the trainer may take its time.
func (o *operator) takeFile(ctx context.Context, req api.RunRequest, spec *ledger.RunSpec, intake *jobs.Intake) (b base, err error) {
	path, field := req.Model, "model.file"
	if req.Init {
		field = "model.init"
		dir, err := os.MkdirTemp(o.home.Path(site.TaskDir), "init-")
		if err != nil {
			return b, err
		}
		defer os.RemoveAll(dir)
		if path, err = o.makeBase(ctx, dir, spec); err != nil {
			return b, err
		}
	}
	intake.Begin()
	return o.takeIn(ctx, path, field, spec, blockstore.ImportOptions{Wide: req.Wide, Keep: !req.Init})
}

// takeIn parts a checkpoint as the run's description says, into the store. field is what names the checkpoint.
func (o *operator) takeIn(ctx context.Context, path, field string, spec *ledger.RunSpec, opt blockstore.ImportOptions) (b base, err error) {
	asked, err := spec.Constants.Read()
	if err != nil {
		return b, err // describe has looked
	}
	opt.ShardElements, opt.Finite = o.shard, true
	i, err := checkpoint.Import(ctx, o.store, path, o.home.Path(site.TaskDir), asked.Local, opt)
	switch {
	case errors.Is(err, checkpoint.ErrLocal):
		return b, api.RefuseField("local", "a pattern is of whole names: * stands for any text, dots too", err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return b, api.RefuseField(field, "the node must be able to read the file", err)
	case errors.Is(err, checkpoint.ErrUnusable), errors.Is(err, tensor.ErrSafetensors), errors.Is(err, tensor.ErrInvalid), errors.Is(err, tensor.ErrNotFinite), errors.Is(err, blockstore.ErrChanged):
		return b, api.RefuseField(field, train.HintOfBase(err), err)
	case err != nil:
		return b, fmt.Errorf("take in the model: %w", err)
	}
	b = base{weights: i.Weights, constants: ledger.NewConstants(i.Beside), note: i.Note()}
	if _, err := b.constants.Read(); err != nil {
		return b, api.RefuseField(field, fmt.Sprintf("a run keeps at most %d further names of tied weights, of %d bytes", ledger.MaxAliases, ledger.MaxTensorName), err)
	}
	return b, nil
}

// makeBase has the site's trainer make the model that a run starts from, in a folder.
func (o *operator) makeBase(ctx context.Context, dir string, spec *ledger.RunSpec) (path string, err error) {
	if maker, ok := o.home.Config.Trainer.Settings.(train.Initial); ok {
		path = filepath.Join(dir, "model.safetensors")
		err = maker.InitModel(ctx, path, spec.Train)
	} else {
		path, err = o.jobs.MakeModel(ctx, dir, spec)
	}
	failed := (*jobs.TrainerError)(nil)
	switch {
	case errors.Is(err, train.ErrHyperparameter):
		return "", api.RefuseField("train", "train: in the run's description has the hyperparameters", fmt.Errorf("make the initial model: %w", err))
	case errors.As(err, &failed):
		brief, advice := train.Explain(failed.Unwrap())
		return "", api.RefuseField("model.init", advice, fmt.Errorf("the script makes no model: %s", brief))
	case err != nil:
		return "", fmt.Errorf("make the initial model: %w", err)
	}
	return path, nil
}

// layoutOf returns the layout of an artifact.
func (o *operator) layoutOf(m blockstore.Manifest) (l tensor.Layout, err error) {
	data, err := o.store.Get(m.Layout)
	if err != nil {
		return l, err
	}
	return tensor.DecodeLayout(data)
}

// checkState refuses a model whose outer step's state could not be kept.
func (o *operator) checkState(spec *ledger.RunSpec, m blockstore.Manifest, l tensor.Layout) error {
	s, _, err := o.knows(spec)
	if err != nil {
		return err // checkKnown has looked
	}
	if err := reduction.CheckState(s.Slots(), l, m.ShardElements); err != nil {
		return api.RefuseField("outer", "choose an outer step without a state, such as none", err)
	}
	return nil
}
