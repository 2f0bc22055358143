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
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train/builtin"
)

// What the operator asks for.

func (s *server) openRun(_ http.ResponseWriter, r *http.Request) (any, error) {
	var req RunRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	run, err := s.n.OpenRun(r.Context(), req)
	if err != nil {
		return nil, err
	}
	return RunReply{run}, nil
}

func (s *server) consent(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var c Consent
	if err := decodeBody(r.Body, &c); err != nil {
		return nil, err
	}
	return struct{}{}, s.n.Consent(r.Context(), run, c.Accept)
}

func (s *server) stop(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var stop Stop
	if err := decodeBody(r.Body, &stop); err != nil {
		return nil, err
	}
	return struct{}{}, s.n.StopRun(r.Context(), run, stop.Reason)
}

func (s *server) evaluate(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var req EvaluateRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.n.Evaluate(r.Context(), run, req.Model)
}

// active returns an error unless the ledger has the run and it has rounds to do.
func (n *Node) active(run block.CID) error {
	v := n.view.Load()
	switch {
	case v.runs[run] == nil:
		return refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	case !v.active[run]:
		return refuse(http.StatusConflict, "", "run %q is over", v.runs[run].Name)
	}
	return nil
}

// Consent is the operator's answer on a run; it may change an earlier one.
func (n *Node) Consent(ctx context.Context, run block.CID, accept bool) error {
	if err := n.active(run); err != nil {
		return err
	}
	if accept {
		var why string
		if err := n.ask(ctx, func(m *round.Machine) { why = n.opt.Knows.unknown(m.Ledger().Run(run)) }); err != nil {
			return err
		}
		if why != "" {
			return refuse(http.StatusConflict, "weft peers shows which weft the other sites run; start that one", "this weft cannot take part in the run: %s", why)
		}
	}
	if !n.deliver(ctx, runs.Considered{Run: run, Accept: accept}) {
		return ErrStopped
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
		return refuse(http.StatusConflict, "", "this site is not in the mesh's roster, so it cannot end a run")
	}
	if len(reason) > maxReason {
		return refuse(http.StatusBadRequest, "", "reason: %d bytes, at most %d", len(reason), maxReason)
	}
	if !n.deliver(ctx, runs.StopRun{Run: run, Reason: reason}) {
		return ErrStopped
	}
	return nil
}

// OpenRun asks the mesh for a run: it takes the model in, fills in the description, and returns the
// run's ID. The run is open once the ledger says so, which takes a quorum that holds the model.
func (n *Node) OpenRun(ctx context.Context, req RunRequest) (block.CID, error) {
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
	added := held && n.index.add(ctx, base, m.Shards, use{Run: run, As: asModel})
	n.jobs.keep.Unlock()
	switch {
	case !held:
		return block.CID{}, hint(fmt.Errorf("the model was removed with an earlier run as it was taken in: %w", blockstore.ErrNotFound), "try again")
	case !added || !n.deliver(ctx, runs.OpenRun{Spec: spec}):
		n.jobs.drop(base, use{Run: run, As: asModel})
		return block.CID{}, ErrStopped
	}
	n.exchange.Added(append(m.Shards, base)...)
	return run, nil
}

// describe completes and checks a run's description before its model, which may be large, is taken in.
func (n *Node) describe(req RunRequest) (*ledger.RunSpec, error) {
	spec := req.Spec
	bad := func(hint, format string, args ...any) error {
		return refuse(http.StatusBadRequest, hint, format, args...)
	}
	switch {
	case n.view.Load().observes:
		return nil, refuse(http.StatusConflict, "weft roster list shows what is missing", "this site is not in the mesh's roster, so it cannot ask for a run")
	case (req.Model == "") != req.Init:
		return nil, bad("name a safetensors file, or let the embedded trainer make the model", "exactly one of model and init says what the run starts from")
	case spec.By != "" || spec.Base.Defined() || spec.Layout.Defined() || len(spec.Nonce) > 0:
		return nil, bad("", "by, base, layout and nonce are for the node to fill in")
	case req.Init && n.home.Config.Trainer.Exec != nil:
		return nil, refuseField("model.init", "let the script write the model that it begins from, and name the file: model: {file: initial.safetensors}", errors.New("this site trains by a script of its own (trainer.exec), which does not know the embedded trainer's model"))
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
		const hint = "correct the run's description"
		var wrong *ledger.SpecError
		if errors.As(err, &wrong) {
			return nil, refuseField(wrong.Field, hint, errors.New(wrong.Text))
		}
		return nil, bad(hint, "%v", err)
	}
	if err := n.checkKnown(&spec); err != nil {
		return nil, err
	}
	active := 0
	for _, is := range n.view.Load().active {
		if is {
			active++
		}
	}
	if active >= maxRuns {
		return nil, refuse(http.StatusConflict, "end one first: weft run stop", "%d runs are open, at most %d", active, maxRuns)
	}
	return &spec, nil
}

// importBase takes in the model that a run starts from; the file of the request stays as it is.
func (n *Node) importBase(ctx context.Context, req RunRequest, spec *ledger.RunSpec) (c block.CID, m blockstore.Manifest, err error) {
	path, field := req.Model, "model.file"
	if req.Init {
		field = "model.init"
		dir, err := os.MkdirTemp(n.home.path(tmpName), "init-")
		if err != nil {
			return c, m, err
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "model.safetensors")
		err = n.home.Config.Trainer.initModel(ctx, path, spec.Train)
		if err != nil {
			err = fmt.Errorf("make the initial model: %w", err)
		}
		switch {
		case errors.Is(err, builtin.ErrHyperparameter):
			return c, m, refuseField("train", "train: in the run's description has the hyperparameters", err)
		case err != nil:
			return c, m, err
		}
	}
	c, err = n.store.Import(ctx, path, blockstore.ImportOptions{ShardElements: n.opt.Shard, Finite: true, Keep: !req.Init})
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return c, m, refuseField(field, "the node must be able to read the file", err)
	case errors.Is(err, tensor.ErrSafetensors), errors.Is(err, tensor.ErrInvalid), errors.Is(err, tensor.ErrNotFinite), errors.Is(err, blockstore.ErrChanged):
		return c, m, refuseField(field, modelHint, err)
	case err != nil:
		return c, m, fmt.Errorf("take in the model: %w", err)
	}
	m, err = readManifest(n.store, c)
	return c, m, err
}

// Evaluate has the site's trainer measure a model of a run once it is free: a committed one, or what the run began with. It
// returns ErrNotFound if the model is not held here.
func (n *Node) Evaluate(ctx context.Context, run, model block.CID) (*Evaluation, error) {
	spec := n.view.Load().runs[run]
	if spec == nil {
		return nil, refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
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
		brief, advice := explain(err)
		return nil, refuse(http.StatusInternalServerError, advice, "the trainer fails: %s", brief)
	}
	return &Evaluation{Run: run, Round: number, Model: model, Samples: res.Samples, Metrics: res.Metrics, Took: time.Since(began)}, nil
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
	return 0, refuse(http.StatusNotFound, "weft run history shows its models", "%s is no model of that run", model)
}
