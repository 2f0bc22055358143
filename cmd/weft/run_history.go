package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// runHistory is `weft run history`.
type runHistory struct {
	metric string
	csv    bool
	steps  bool   // this site's own trainings, by step
	cross  bool   // what the sites measured of each other's last updates
	board  string // folder for TensorBoard
}

func newRunHistory(e *env) *cobra.Command {
	c := &runHistory{}
	cmd := &cobra.Command{
		Use:     "history [RUN]",
		Aliases: []string{"show"},
		Short:   "Show all rounds of a run: a curve, a table, or CSV",
		Long: `Show all committed rounds of a run: the curve of a metric, as the sites' trainers
report it with their updates, and a table. What the sites measured of a round's model
has eval_ before its name. --csv writes a row for each round and site, for pandas or
a spreadsheet: samples, weight in the mean, every metric, and the model; round 0 is
what the run began with. --tensorboard writes the curves of all metrics for
TensorBoard. --steps shows curves within the rounds, by step, in the place of rounds: of
this site's own newest 50 trainings, as no site tells the others its own. --cross shows
what the sites measured of each other's last updates, if the run asked for it; its --csv
has a row for each site that measured and each whose update it measured. ` + runArgument + "\nIf none goes on, the last is shown.",
		Example: `  weft run history
  weft run history letters --metric eval_accuracy
  weft run history letters --csv > letters.csv
  weft run history letters --steps
  weft run history letters --tensorboard curves/letters && tensorboard --logdir curves`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRuns(runAny),
		RunE:              e.runs(c.run),
	}
	cmd.Flags().StringVar(&c.metric, "metric", "", "metric to show; default the loss, if there is one")
	cmd.Flags().BoolVar(&c.csv, "csv", false, "write CSV, a row for each round and site")
	cmd.Flags().BoolVar(&c.steps, "steps", false, "show this site's own trainings, by step")
	cmd.Flags().BoolVar(&c.cross, "cross", false, "show what each site measured of each site's last update")
	cmd.Flags().StringVar(&c.board, "tensorboard", "", "write TensorBoard's event files to this `folder`: of each site, of their mean, and this site's by step")
	e.jsonFlag(cmd)
	return cmd
}

func (c *runHistory) run(ctx context.Context, e *env, args []string) error {
	switch {
	case c.csv && e.json, c.board != "" && (c.csv || e.json):
		return usage("--csv, --json or --tensorboard, not two of them")
	case c.steps && c.board != "":
		return usage("--tensorboard has the curves by step, too")
	case c.cross && (c.steps || c.board != ""):
		return usage("--cross is no curve: leave out --steps and --tensorboard")
	case c.metric != "" && (c.csv || e.json || c.board != ""):
		return usage("--csv, --json and --tensorboard have all metrics; --metric is for the curve")
	}
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	r, err := c.find(ctx, from, args)
	switch {
	case err != nil:
		return err
	case c.steps:
		return c.runSteps(ctx, e, from, r)
	case c.cross:
		return c.runCross(e, r)
	case e.json:
		return e.printJSON(r.History)
	case c.csv:
		rows := withFigures(r)
		return writeHistory(e.out, rows, metricNames(rows))
	case c.board != "":
		return writeCurves(ctx, e, from, r, withFigures(r), c.board)
	}
	return c.show(e.out, r)
}

// runCross shows what the sites measured of each other's last updates.
func (c *runHistory) runCross(e *env, r *api.RunStatus) error {
	switch {
	case len(r.Cross) == 0:
		return fail(nil, "a run file says cross_evaluate: last, and each site's config.yaml whether it measures and is measured; it is done when the run is over", "no site has measured updates of run %s", r.Name)
	case e.json:
		return e.printJSON(r.Cross)
	case c.csv:
		return writeCross(e.out, r.Cross)
	}
	e.out.Printf("%s%s", runHead(e.out, r), crossText(e.out, r, c.metric))
	return nil
}

// find returns the run to show.
func (c *runHistory) find(ctx context.Context, from reader, args []string) (*api.RunStatus, error) {
	ref, err := pickShown(ctx, from, args)
	if err != nil {
		return nil, err
	}
	return statusOf(ctx, from, []string{ref.id.String()})
}

// show prints the curve and the table.
func (c *runHistory) show(out *term.Out, r *api.RunStatus) error {
	rows := withFigures(r)
	names, metric := metricNames(rows), cmp.Or(c.metric, lossKey(rows))
	if !slices.Contains(names, metric) && slices.Contains(names, evalPrefix+metric) {
		metric = evalPrefix + metric
	}
	if c.metric != "" && !slices.Contains(names, metric) {
		return fail(nil, "it has: "+strings.Join(names, ", "), "run %s has no metric %q", r.Name, metric)
	}
	out.Printf("%s%s\n%s%s%s", runHead(out, r), curveText(out, r, rows, metric), historyText(out, r, rows, metric), crossText(out, r, metric), metricsNote(out, names, metric))
	return nil
}

// metricsNote says which other metrics there are.
func metricsNote(out *term.Out, names []string, shown string) string {
	others := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == shown })
	if len(others) == 0 {
		return ""
	}
	note := "other metrics: " + strings.Join(others, ", ") + " (--metric)"
	return "\n" + strings.Join(term.Wrap(note, min(out.Columns(), term.Width)), "\n") + "\n"
}

// metricNames returns the names of all metrics in the rounds, in order.
func metricNames(rounds []api.RoundStatus) []string {
	names := map[string]bool{}
	for _, r := range rounds {
		for _, m := range r.Metrics {
			for k := range m {
				names[k] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// writeHistory writes the rounds as CSV (RFC 4180), a row for each round and site.
func writeHistory(w io.Writer, rounds []api.RoundStatus, metrics []string) error {
	out := csv.NewWriter(w)
	_ = out.Write(slices.Concat([]string{"round", "site", "samples", "weight", "attempts", "marks", "share", "norm", "norm_ratio"}, metrics, []string{"took_s", "height", "model"}))
	of := func(figures map[string]float64, name string) string {
		if v, ok := figures[name]; ok {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
		return ""
	}
	for _, r := range rounds {
		took := "" // measured by an earlier life of the node
		if r.Took > 0 {
			took = strconv.FormatFloat(r.Took.Seconds(), 'f', 3, 64)
		}
		for _, site := range sitesWith(&r) {
			row := []string{strconv.FormatUint(r.Round, 10), site, strconv.FormatUint(r.SiteSamples[site], 10), strconv.FormatUint(r.Weights[site], 10), strconv.FormatUint(r.Attempts[site], 10), strings.Join(r.Marks(site), " "), of(r.Shares, site), of(r.Norms, site), of(r.NormRatios, site)}
			for _, k := range metrics {
				row = append(row, of(r.Metrics[site], k))
			}
			_ = out.Write(append(row, took, strconv.FormatUint(r.Height, 10), r.Model.String()))
		}
	}
	out.Flush()
	return out.Error() // the first of all
}

// curveText plots a metric over the rounds: of each site, or, if they are many, the mean and the extremes.
func curveText(out *term.Out, run *api.RunStatus, rounds []api.RoundStatus, key string) string {
	names, first := sitesOf(run), uint64(1)
	if len(rounds) > 0 {
		first = rounds[0].Round
	}
	at := func(r *api.RoundStatus, i int) float64 {
		if v, ok := r.Metrics[names[i]][key]; ok {
			return v
		}
		return math.NaN()
	}
	if len(names) > sitesAcross {
		names = []string{"mean of sites", "lowest", "highest"}
		at = func(r *api.RoundStatus, i int) float64 {
			mean, low, high := spread(r.Metrics, key)
			return [...]float64{mean, low, high}[i]
		}
	}
	series := make([][]float64, len(names))
	for i := range series {
		for j := range rounds {
			series[i] = append(series[i], at(&rounds[j], i))
		}
	}
	if curves := out.Curves(names, series, first, run.Done); curves != "" {
		return "\n" + out.Dim(key+" by round") + "\n" + curves
	}
	return ""
}
