package main

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// modelEvaluate is `weft model evaluate`.
type modelEvaluate struct{ of string }

func newModelEvaluate(e *env) *cobra.Command {
	c := &modelEvaluate{}
	cmd := &cobra.Command{
		Use:   "evaluate ROUND",
		Short: "Have this site's trainer measure a round's model",
		Long: `Have this site's trainer measure a round's model with this site's data, as soon as it
is free, and print what it finds. ROUND is as for export. ` + "`evaluate: true`" + ` in
config.yaml does the same for every model before it is trained from, and tells the
other sites.`,
		Example: `  weft model evaluate latest
  weft model evaluate 0 --run letters
  weft model evaluate latest --json`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.ValidArgs = []string{latest, best}
	cmd.Flags().StringVar(&c.of, "run", "", "the run: name, CID or the CID's end; default the only one that has a model")
	_ = cmd.RegisterFlagCompletionFunc("run", e.completeRunFlag)
	e.jsonFlag(cmd)
	return cmd
}

func (c *modelEvaluate) run(ctx context.Context, e *env, args []string) error {
	model, of, err := findModelOfRun(ctx, e.client(), args[0], c.of)
	if err != nil {
		return err
	}
	var found api.Evaluation
	err = e.err.Live(ctx, trainerWork, func(ctx context.Context) error {
		found, err = e.client().Evaluate(ctx, of.ID, model)
		return err
	})
	switch {
	case err != nil:
		return err
	case e.json:
		return e.printJSON(found)
	}
	t := term.NewTable(term.Column{Name: "metric"}, term.Column{Name: "value", Right: true})
	for _, name := range slices.Sorted(maps.Keys(found.Metrics)) {
		t.Row(name, metricText(found.Metrics[name]))
	}
	e.out.Printf("run %s round %d  model %s  %s samples  %s\n\n%s", e.out.Bold(of.Name), found.Round, model.Short(), strconv.FormatUint(found.Samples, 10), term.Duration(found.Took), t.Text(e.out.Columns(), e.out.Dim))
	return nil
}

// trainerWork says what is waited for.
func trainerWork() string { return "the trainer does one task at a time; waiting for it" }

// findModelOfRun is findModel with a run of the model in any case: that which yielded it, or else began with it; of several the newest.
func findModelOfRun(ctx context.Context, c reader, which, run string) (model block.CID, of *api.RunStatus, err error) {
	if model, of, err = findModel(ctx, c, which, run); err != nil || of != nil {
		return model, of, err
	}
	s, err := c.Full(ctx)
	if err != nil {
		return model, nil, err
	}
	if of = findRunOf(s, model); of == nil {
		return model, nil, fail(nil, "`weft run history` shows the models of a run", "no run has the model %s", model)
	}
	return model, of, nil
}

// findRunOf returns the newest run that yielded a model, or else began with it; nil: none has it.
func findRunOf(s *api.Status, model block.CID) *api.RunStatus {
	for _, has := range []func(r *api.RunStatus) bool{
		func(r *api.RunStatus) bool {
			return slices.ContainsFunc(r.History, func(h api.RoundStatus) bool { return h.Model == model })
		},
		func(r *api.RunStatus) bool { return r.Spec.Base == model },
	} {
		for i := range slices.Backward(s.Runs) {
			if r := &s.Runs[i]; has(r) {
				return r
			}
		}
	}
	return nil
}
