package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// What the operator asks for.

// active returns an error unless the ledger has the run and it has rounds to do.
func (n *Node) active(run block.CID) error {
	v := n.view.Load()
	switch {
	case v.runs[run] == nil:
		return api.Refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	case !v.active[run]:
		return api.Refuse(http.StatusConflict, "", "run %q is over", v.runs[run].Name)
	}
	return nil
}

// Consent is the operator's answer on a run; it may change an earlier one.
func (n *Node) Consent(ctx context.Context, run block.CID, accept bool) error {
	if err := n.active(run); err != nil {
		return err
	}
	if !n.deliver(ctx, round.Considered{Run: run, Accept: accept}) {
		return api.ErrStopped
	}
	n.jobs.answered(run)
	return nil
}

// StopRun asks the mesh to end a run. One site's wish is enough if it opened the run.
func (n *Node) StopRun(ctx context.Context, run block.CID, reason string) error {
	if err := n.active(run); err != nil {
		return err
	}
	if n.view.Load().observes {
		return api.Refuse(http.StatusConflict, "", "this site is not in the mesh's roster, so it cannot end a run")
	}
	if len(reason) > ledger.MaxReason {
		return api.Refuse(http.StatusBadRequest, "", "reason: %d bytes, at most %d", len(reason), ledger.MaxReason)
	}
	if !n.deliver(ctx, round.StopRun{Run: run, Reason: reason}) {
		return api.ErrStopped
	}
	return nil
}

// OpenRun asks the mesh for a run: it takes the model in, fills in the description, and returns the
// run's ID. The run is open once the ledger says so, which takes a quorum that holds the model.
func (n *Node) OpenRun(ctx context.Context, req api.RunRequest) (block.CID, error) {
	spec, err := n.describe(req)
	if err != nil {
		return block.CID{}, err
	}
	base, m, err := n.importBase(ctx, req, spec)
	if err != nil {
		return block.CID{}, err
	}
	spec.Base, spec.Layout = base, m.Layout
	run := spec.ID()
	n.jobs.keep.Lock()
	held := n.holds(base) // an earlier run's model of these very bytes may have been removed just now
	added := held && n.index.Add(ctx, base, m.Shards, index.Use{Run: run, As: index.AsModel})
	n.jobs.keep.Unlock()
	switch {
	case !held:
		return block.CID{}, hint.Add(fmt.Errorf("the model was removed with an earlier run as it was taken in: %w", blockstore.ErrNotFound), "try again")
	case !added || !n.deliver(ctx, round.OpenRun{Spec: spec}):
		n.jobs.drop(base, index.Use{Run: run, As: index.AsModel})
		return block.CID{}, api.ErrStopped
	}
	n.exchange.Added(append(m.Shards, base)...)
	return run, nil
}

// describe completes and checks a run's description before its model, which may be large, is taken in.
func (n *Node) describe(req api.RunRequest) (*ledger.RunSpec, error) {
	spec := req.Spec
	bad := func(advice, format string, args ...any) error {
		return api.Refuse(http.StatusBadRequest, advice, format, args...)
	}
	switch {
	case n.view.Load().observes:
		return nil, api.Refuse(http.StatusConflict, "weft roster list shows what is missing", "this site is not in the mesh's roster, so it cannot ask for a run")
	case (req.Model == "") != req.Init:
		return nil, bad("name a safetensors file, or let the embedded trainer make the model", "exactly one of model and init says what the run starts from")
	case spec.By != "" || spec.Base.Defined() || spec.Layout.Defined() || len(spec.Nonce) > 0:
		return nil, bad("", "by, base, layout and nonce are for the node to fill in")
	case req.Init && !n.home.Config.Trainer.Initial():
		return nil, api.RefuseField("model.init", "let the script write the model that it begins from, and name the file: model: {file: initial.safetensors}", errors.New("this site trains by a script of its own (trainer.exec), which does not know the embedded trainer's model"))
	case req.Model != "" && !filepath.IsAbs(req.Model):
		return nil, bad("give the full path: the node has a working directory of its own", "model: %q is a relative path", req.Model)
	}
	spec.By, spec.Nonce = n.home.ID, make([]byte, 16)
	if _, err := rand.Read(spec.Nonce); err != nil {
		return nil, err
	}
	spec.Default()
	check := spec
	check.Base = n.mesh // stands for those to come
	check.Layout = check.Base
	if err := check.Validate(n.view.Load().roster); err != nil {
		const correct = "correct the run's description"
		var wrong *ledger.SpecError
		if errors.As(err, &wrong) {
			return nil, api.RefuseField(wrong.Field, correct, errors.New(wrong.Text))
		}
		return nil, bad(correct, "%v", err)
	}
	active := 0
	for _, is := range n.view.Load().active {
		if is {
			active++
		}
	}
	if active >= ledger.MaxRuns {
		return nil, api.Refuse(http.StatusConflict, "end one first: weft run stop", "%d runs are open, at most %d", active, ledger.MaxRuns)
	}
	return &spec, nil
}

// importBase takes in the model that a run starts from; the file of the request stays as it is.
func (n *Node) importBase(ctx context.Context, req api.RunRequest, spec *ledger.RunSpec) (c block.CID, m blockstore.Manifest, err error) {
	path, field := req.Model, "model.file"
	if req.Init {
		field = "model.init"
		dir, err := os.MkdirTemp(n.home.Path(site.TaskDir), "init-")
		if err != nil {
			return c, m, err
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "model.safetensors")
		err = n.home.Config.Trainer.Settings.(train.Initial).InitModel(ctx, path, spec.Train) // describe has looked
		if err != nil {
			err = fmt.Errorf("make the initial model: %w", err)
		}
		switch {
		case errors.Is(err, train.ErrHyperparameter):
			return c, m, api.RefuseField("train", "train: in the run's description has the hyperparameters", err)
		case err != nil:
			return c, m, err
		}
	}
	c, err = n.store.Import(ctx, path, blockstore.ImportOptions{ShardElements: n.opt.Shard, Finite: true, Keep: !req.Init})
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return c, m, api.RefuseField(field, "the node must be able to read the file", err)
	case errors.Is(err, tensor.ErrSafetensors), errors.Is(err, tensor.ErrInvalid), errors.Is(err, tensor.ErrNotFinite), errors.Is(err, blockstore.ErrChanged):
		return c, m, api.RefuseField(field, "a model is a safetensors file with elements F32, F16 or BF16, all finite", err)
	case err != nil:
		return c, m, fmt.Errorf("take in the model: %w", err)
	}
	m, err = blockstore.ReadManifest(n.store, c)
	return c, m, err
}

// Evaluate has the site's trainer measure a model of a run once it is free: a committed one, or what the run began with. It
// returns ErrNotFound if the model is not held here.
func (n *Node) Evaluate(ctx context.Context, run, model block.CID) (*api.Evaluation, error) {
	spec := n.view.Load().runs[run]
	if spec == nil {
		return nil, api.Refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	}
	number, err := n.roundOf(ctx, run, model)
	if err != nil {
		return nil, err
	}
	done, held := n.jobs.evaluates(model)
	defer done()
	if !held { // what is not kept is not fetched for this, and nobody waits to learn that
		return nil, fmt.Errorf("model %s: %w", model, blockstore.ErrNotFound)
	}
	select {
	case n.jobs.trainer <- struct{}{}:
		defer func() { <-n.jobs.trainer }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := n.jobs.check(ctx, model); err != nil {
		return nil, err
	}
	began := time.Now()
	res, err := n.jobs.evaluate(ctx, run, spec, number, model, nil)
	if err != nil {
		brief, advice := train.Explain(err)
		return nil, api.Refuse(http.StatusInternalServerError, advice, "the trainer fails: %s", brief)
	}
	return &api.Evaluation{Run: run, Round: number, Model: model, Samples: res.Samples, Metrics: res.Metrics, Took: time.Since(began)}, nil
}

// roundOf returns the round of a run that yielded a model, 0 for what the run began with.
func (n *Node) roundOf(ctx context.Context, run, model block.CID) (uint64, error) {
	st, err := n.Status(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range st.Runs {
		if r.ID != run {
			continue
		}
		if r.Spec.Base == model {
			return 0, nil
		}
		for _, h := range r.History {
			if h.Model == model {
				return h.Round, nil
			}
		}
	}
	return 0, api.Refuse(http.StatusNotFound, "weft run history shows its models", "%s is no model of that run", model)
}
