package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
)

// Words for a round of a run.
const (
	latest = "latest" // the newest committed
	best   = "best"   // whose model is the best, by the run's terms
)

func newModel(e *env) *cobra.Command {
	return newGroup(&cobra.Command{Use: "model", Short: "Work with the models that rounds yield"}, newModelExport(e), newModelEvaluate(e), newModelDigest(e))
}

// findModel returns the CID that a round, "latest", "best", a CID or the end of one names, and its run, which is nil for a CID
// without a run: it may be a model of several.
func findModel(ctx context.Context, c reader, which, run string) (id block.CID, of *api.RunStatus, err error) {
	id, noCID := block.Parse(which)
	number, noNumber := strconv.ParseUint(which, 10, 64)
	switch {
	case noNumber == nil || which == latest || which == best:
	case noCID == nil || isCIDEnd(which):
		if noCID != nil {
			id, err = findCID(ctx, c, which)
		}
		if err == nil && run != "" {
			of, err = runWith(ctx, c, run, id)
		}
		return id, of, err
	default:
		return id, nil, usage("%q is no round: want a number, latest, best, or a model's CID", which)
	}
	if of, err = modelRun(ctx, c, run, noNumber == nil && number == 0); err != nil {
		return id, nil, err
	}
	id, err = modelOf(of, which, number)
	return id, of, err
}

// runWith returns the run of that name, which must have a model.
func runWith(ctx context.Context, c reader, name string, model block.CID) (*api.RunStatus, error) {
	of, err := statusOf(ctx, c, []string{name})
	if err != nil {
		return nil, err
	}
	if findRunOf(&api.Status{Runs: []api.RunStatus{*of}}, model) == nil {
		return nil, fail(nil, "`weft run history "+hint.Shell(of.Name)+"` shows its models", "run %s has no model %s", of.Name, model)
	}
	return of, nil
}

// modelOf returns the model of a run's round, the latest or the best.
func modelOf(r *api.RunStatus, which string, number uint64) (block.CID, error) {
	switch {
	case which == best && r.Best != nil:
		return r.Best.Model, nil
	case which == best:
		return block.CID{}, fail(nil, "a run file's best: says by which figure models are compared, and sites with evaluate: true measure them; weft run history shows what they found", "run %s has no best model", r.Name)
	case which == latest && len(r.History) > 0:
		return r.History[len(r.History)-1].Model, nil
	case which == latest:
		return block.CID{}, fail(nil, "`weft run watch` shows how far it is; --run names another", "run %s has no committed round yet", r.Name)
	case number == 0:
		return r.Began(), nil
	}
	for _, h := range r.History {
		if h.Round == number {
			return h.Model, nil
		}
	}
	return block.CID{}, fail(nil, "`weft run history` shows the committed rounds", "run %s has no committed round %d", r.Name, number)
}

// modelRun returns the run of that name, or without one the only run that goes on, or else the only one that has a model of its
// own, or the only run; what a run begins with every run has.
func modelRun(ctx context.Context, c reader, name string, first bool) (*api.RunStatus, error) {
	if name != "" {
		return statusOf(ctx, c, []string{name})
	}
	s, err := c.Full(ctx)
	if err != nil {
		return nil, err
	}
	live := slices.DeleteFunc(slices.Clone(s.Runs), func(r api.RunStatus) bool { return over(r.Phase) })
	if len(live) == 1 {
		return &live[0], nil
	}
	trained := slices.DeleteFunc(slices.Clone(s.Runs), func(r api.RunStatus) bool { return len(r.History) == 0 && !first })
	if len(trained) == 1 {
		return &trained[0], nil
	}
	if len(trained) == 0 {
		return statusOf(ctx, c, nil)
	}
	refs := make([]runRef, len(trained))
	for i, r := range trained {
		refs[i] = runRef{r.ID, r.Name}
	}
	return nil, advised(&failure{kind: errSeveral, text: several(refs)}, "say which: --run and its name, or the CID's end in brackets")
}
