package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
)

// operator does what the site's operator asks for.
type operator struct {
	home     *site.Home
	config   *config.Live
	mesh     block.CID
	shard    uint64 // elements of the shards into which models are cut; 0: as the store does
	box      *mailbox
	views    *views
	store    *blockstore.Disk
	jobs     *jobs.Jobs
	exchange *exchange.Exchange
	knows    reduction.Knows
	programs *programs
}

// active returns an error unless the ledger has the run and it has rounds to do.
func (o *operator) active(run block.CID) error {
	v := o.views.now()
	switch {
	case v.runs[run] == nil:
		return api.Refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	case !v.active[run]:
		return api.Refuse(http.StatusConflict, "", "run %q is over", v.runs[run].Name)
	}
	return nil
}

// Consent is the operator's answer on a run; it may change an earlier one.
func (o *operator) Consent(ctx context.Context, run block.CID, accept bool) error {
	asked := o.views.now().askedFor(run)
	if asked != nil {
		if err := o.checkAsked(asked, accept); err != nil {
			return err
		}
	} else if err := o.active(run); err != nil {
		return err
	}
	if accept && asked == nil {
		var why string
		if err := o.box.ask(ctx, func(m *round.Machine) { why = o.knows.Unknown(m.Ledger().Run(run)) }); err != nil {
			return err
		}
		if why != "" {
			return api.Refuse(http.StatusConflict, "weft peers shows which weft the other sites run; start that one", "this weft cannot take part in the run: %s", why)
		}
	}
	if !o.box.deliver(ctx, runs.Considered{Run: run, Accept: accept, Samples: uint64(o.config.Now().Samples)}) {
		return api.ErrStopped
	}
	o.jobs.Answered(run)
	return nil
}

// StopRun asks the mesh to end a run. One site's wish is enough if it opened the run. One that this site asks for is no longer
// asked for.
func (o *operator) StopRun(ctx context.Context, run block.CID, reason string) error {
	if asked := o.views.now().askedFor(run); asked != nil {
		if asked.Spec.By != o.home.ID {
			return api.Refuse(http.StatusConflict, "weft run decline keeps this site out of it", "the run is not open; %s, which asks for it, can take that back", o.views.now().name(asked.Spec.By))
		}
	} else if err := o.active(run); err != nil {
		return err
	}
	if o.views.now().observes {
		return api.Refuse(http.StatusConflict, "", "this site is not in the mesh's roster, so it cannot end a run")
	}
	if len(reason) > ledger.MaxReason {
		return api.Refuse(http.StatusBadRequest, "", "reason: %d bytes, at most %d", len(reason), ledger.MaxReason)
	}
	if !o.box.deliver(ctx, runs.StopRun{Run: run, Reason: reason}) {
		return api.ErrStopped
	}
	return nil
}

// OpenRun asks the mesh for a run: it takes the model in, fills in the description, and returns the
// run's ID. The run is open once the ledger says so, which takes the consents of a quorum.
func (o *operator) OpenRun(ctx context.Context, req api.RunRequest) (reply api.RunReply, err error) {
	spec, err := o.describe(req)
	if err != nil {
		return reply, err
	}
	intake := o.jobs.Intake()
	defer intake.End()
	base, err := o.takeBase(ctx, req, spec, intake)
	if err != nil {
		return reply, err
	}
	spec.Base, spec.Layout, spec.Constants, spec.Strategy = base.weights, base.layout, base.constants, spec.Strategy.WithState(base.state)
	if err := o.checkKnown(spec); err != nil {
		return reply, err
	}
	reply = api.RunReply{Run: spec.ID(), Note: base.note}
	for _, p := range base.parts(reply.Run) {
		m, err := blockstore.ReadManifest(o.store, p.manifest)
		if err != nil {
			return reply, err
		}
		switch held, added := intake.Claim(ctx, p.manifest, m.Shards, p.use); {
		case !held: // it went bad in the very moment
			o.dropBase(base, reply.Run)
			return reply, hint.Add(fmt.Errorf("the model that was just taken in: %w", blockstore.ErrNotFound), "try again")
		case !added:
			o.dropBase(base, reply.Run)
			return reply, api.ErrStopped
		}
		o.exchange.Added(append(m.Shards, p.manifest)...)
	}
	if !o.box.deliver(ctx, runs.OpenRun{Spec: spec}) {
		o.dropBase(base, reply.Run)
		return reply, api.ErrStopped
	}
	return reply, nil
}

// describe completes and checks a run's description before its model, which may be large, is taken in.
func (o *operator) describe(req api.RunRequest) (*ledger.RunSpec, error) {
	spec := req.Spec
	bad := func(advice, format string, args ...any) error {
		return api.Refuse(http.StatusBadRequest, advice, format, args...)
	}
	asked, unreadable := spec.Constants.Read()
	switch {
	case o.views.now().observes:
		return nil, api.Refuse(http.StatusConflict, "weft roster list shows what is missing", "this site is not in the mesh's roster, so it cannot ask for a run")
	case sources(req) != 1:
		return nil, bad("name a safetensors file or a model of an earlier run, or let the site's trainer make the model", "exactly one of model, init and from says what the run starts from")
	case unreadable != nil:
		return nil, api.RefuseField("local", "correct the run's description", unreadable)
	case spec.By != "" || spec.Base.Defined() || spec.Strategy.State().Defined() || spec.Layout.Defined() || asked.Tensors.Defined() || len(asked.Aliases) > 0 || asked.Adapter != "" || len(spec.Nonce) > 0:
		return nil, bad("", "by, base, layout, constants but for local and frozen, and nonce are for the node to fill in")
	case req.Model != "" && !filepath.IsAbs(req.Model):
		return nil, bad("give the full path: the node has a working directory of its own", "model: %q is a relative path", req.Model)
	}
	spec.By, spec.Nonce = o.home.ID, make([]byte, 16)
	if _, err := rand.Read(spec.Nonce); err != nil {
		return nil, err
	}
	spec.Default(o.views.now().protocol.Number)
	if err := o.checkProtocol(&spec); err != nil {
		return nil, err
	}
	check := spec
	check.Base = o.mesh // stands for those to come
	check.Layout = check.Base
	if err := check.Validate(o.views.now().roster, o.views.now().protocol.Number); err != nil {
		const correct = "correct the run's description"
		var wrong *ledger.SpecError
		if errors.As(err, &wrong) {
			return nil, api.RefuseField(wrong.Field, correct, errors.New(wrong.Text))
		}
		return nil, bad(correct, "%v", err)
	}
	if err := o.checkKnown(&spec); err != nil {
		return nil, err
	}
	if err := o.checkAsking(); err != nil {
		return nil, err
	}
	active := 0
	for _, is := range o.views.now().active {
		if is {
			active++
		}
	}
	if active >= ledger.MaxRuns {
		return nil, api.Refuse(http.StatusConflict, "end one first: weft run stop", "%d runs are open, at most %d", active, ledger.MaxRuns)
	}
	return &spec, nil
}

// checkKnown refuses to ask for a run that this program does not know, or a site whose program is older than what it asks for.
func (o *operator) checkKnown(spec *ledger.RunSpec) error {
	_, since, err := o.knows(spec)
	if err != nil {
		field, why := reduction.Wrong(err)
		return api.RefuseField(field, "correct the run's description, or start a weft that knows it", errors.New(why))
	}
	for _, site := range o.views.now().roster.ByName() {
		if p, known := o.programs.of(site.ID); known && p.Protocol < since {
			return api.Refuse(http.StatusConflict, "weft peers shows what each site runs; let its operator start a newer weft first",
				"site %q runs weft %s, which does not know what this run asks for (it knows protocol %d, the run needs %d)", site.Name, p.Weft, p.Protocol, since)
		}
	}
	return nil
}

// checkProtocol refuses to ask for what the protocol in force does not have, or that a mesh of so many sites cannot keep.
func (o *operator) checkProtocol(spec *ledger.RunSpec) error {
	v := o.views.now()
	terms, _ := spec.Selection.Read() // it was checked
	if n := v.roster.Len(); terms.Cross != "" && n > ledger.MaxCross {
		return api.RefuseField("cross_evaluate", "leave it out",
			fmt.Errorf("the mesh has %d sites, at most %d: each site would evaluate the updates of all others, and what it finds would not fit its statement", n, ledger.MaxCross))
	}
	for _, needs := range []struct {
		protocol    uint64
		asked       bool
		field, what string
	}{
		{ledger.CrossProtocol, terms.Cross != "", "cross_evaluate", "cross-site evaluations need"},
		{ledger.SelectionProtocol, !spec.Selection.IsZero(), "evaluate", "evaluate, best and stop_after need"},
		{ledger.AverageProtocol, spec.Late == ledger.Average, "late", "late: average needs"},
		{ledger.ContinuesProtocol, !spec.Continues.IsZero(), "continues", "a rewind needs"},
		{ledger.BoundsProtocol, !spec.Bounds.IsZero(), "share", "share and max_change need"},
		{ledger.PaceProtocol, !spec.Pace.IsZero(), "round_time", "round_time needs"},
	} {
		if in := v.protocol.Number; needs.asked && in < needs.protocol {
			return api.RefuseField(needs.field, fmt.Sprintf("raise it once every site runs weft >= %s: weft roster protocol %d %s", ledger.NewestWeft, needs.protocol, ledger.NewestWeft),
				fmt.Errorf("%s protocol %d, the mesh goes by %d", needs.what, needs.protocol, in))
		}
	}
	return nil
}

// Evaluate has the site's trainer measure a model of a run once it is free: a committed one, or what the run began with. It
// returns ErrNotFound if the model is not held here.
func (o *operator) Evaluate(ctx context.Context, run, model block.CID) (*api.Evaluation, error) {
	spec, number, err := o.modelOf(ctx, run, model)
	if err != nil {
		return nil, err
	}
	res, took, err := o.jobs.Ask(ctx, run, spec, model, jobs.Evaluation(number))
	if err != nil {
		return nil, trainerFails(err)
	}
	return &api.Evaluation{Run: run, Round: number, Model: model, Samples: res.Samples, Metrics: res.Metrics, Took: took}, nil
}

// Generate has the site's trainer generate text with a model, as in Evaluate.
func (o *operator) Generate(ctx context.Context, run block.CID, req api.GenerateRequest) (*api.Generated, error) {
	what := train.Generation{Prompt: req.Prompt, MaxTokens: req.MaxTokens, Temperature: req.Temperature}
	if err := what.Check(); err != nil {
		text, advice := hint.Split(err)
		return nil, api.Refuse(http.StatusBadRequest, advice, "%s", text)
	}
	spec, number, err := o.modelOf(ctx, run, req.Model)
	if err != nil {
		return nil, err
	}
	task := train.Task{Kind: train.Generate, Round: number, Attempt: 1, Seed: req.Seed, Generate: &what}
	res, took, err := o.jobs.Ask(ctx, run, spec, req.Model, task)
	switch {
	case err != nil:
		return nil, trainerFails(err)
	case res.Skip != "":
		return nil, api.Refuse(http.StatusNotImplemented, "a Python script says how: weft.tasks(..., generate=...), see docs/trainers.md", "this site's trainer generates no text: %s", res.Skip)
	}
	return &api.Generated{Run: run, Round: number, Model: req.Model, Text: res.Text, Took: took}, nil
}

// trainerFails refuses what the trainer failed at; other errors it returns as they are.
func trainerFails(err error) error {
	if failed := (*jobs.TrainerError)(nil); errors.As(err, &failed) {
		brief, advice := train.Explain(failed.Unwrap())
		return api.Refuse(http.StatusInternalServerError, advice, "the trainer fails: %s", brief)
	}
	return err
}

// modelOf returns a run, and which of its rounds yielded a model, 0 for what the run began with.
func (o *operator) modelOf(ctx context.Context, run, model block.CID) (spec *ledger.RunSpec, number uint64, err error) {
	if spec = o.views.now().runs[run]; spec == nil {
		return nil, 0, api.Refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	}
	number, err = o.roundOf(ctx, run, model)
	return spec, number, err
}

// roundOf returns the round of a run that yielded a model, 0 for what the run began with.
func (o *operator) roundOf(ctx context.Context, run, model block.CID) (number uint64, err error) {
	found := false
	err = o.box.ask(ctx, func(m *round.Machine) {
		r := m.Ledger().Run(run)
		if r == nil {
			return
		}
		found = r.Spec.Base == model
		for i, c := range m.Ledger().Lineage(r) {
			if !found && c.Model == model {
				number, found = uint64(i)+1, true
			}
		}
	})
	if err == nil && !found {
		err = api.Refuse(http.StatusNotFound, "weft run history shows its models", "%s is no model of that run", model)
	}
	return number, err
}
