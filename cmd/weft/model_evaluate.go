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

func (a *app) modelEvaluateCmd() *cobra.Command {
	var run string
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
		RunE: func(cmd *cobra.Command, args []string) error {
			c := a.client()
			model, of, err := findModel(cmd.Context(), c, args[0], run)
			if err == nil && of == nil {
				of, err = runOfModel(cmd.Context(), c, model)
			}
			if err != nil {
				return err
			}
			var e api.Evaluation
			err = a.err.Live(cmd.Context(), func() string { return "the trainer does one task at a time; waiting for it" }, func(ctx context.Context) error {
				e, err = c.Evaluate(ctx, of.ID, model)
				return err
			})
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(e)
			}
			t := term.NewTable(term.Column{Name: "metric"}, term.Column{Name: "value", Right: true})
			for _, name := range slices.Sorted(maps.Keys(e.Metrics)) {
				t.Row(name, metricText(e.Metrics[name]))
			}
			a.out.Printf("run %s round %d  model %s  %s samples  %s\n\n%s", a.out.Bold(of.Name), e.Round, model.Short(), strconv.FormatUint(e.Samples, 10), term.Duration(e.Took), t.Text(a.out.Columns(), a.out.Dim))
			return nil
		},
	}
	cmd.ValidArgs = []string{latest}
	cmd.Flags().StringVar(&run, "run", "", "the run: name, CID or the CID's end; default the only one that has a model")
	_ = cmd.RegisterFlagCompletionFunc("run", a.completeRunFlag)
	a.jsonFlag(cmd)
	return cmd
}

// runOfModel returns the run that yielded a model, or else began with it; of several the newest.
func runOfModel(ctx context.Context, c *api.Client, model block.CID) (*api.RunStatus, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, has := range []func(r *api.RunStatus) bool{
		func(r *api.RunStatus) bool {
			return slices.ContainsFunc(r.History, func(h api.RoundStatus) bool { return h.Model == model })
		},
		func(r *api.RunStatus) bool { return r.Spec.Base == model },
	} {
		for i := range slices.Backward(s.Runs) {
			if r := &s.Runs[i]; has(r) {
				return r, nil
			}
		}
	}
	return nil, fail(nil, "`weft run history` shows the models of a run", "no run has the model %s", model)
}
