package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// stepColumns is how many values a curve by step is drawn of; of the points between two, the mean.
const stepColumns = 200

// runSteps is `weft run history --steps`.
func (c *runHistory) runSteps(ctx context.Context, e *env, from reader, r *api.RunStatus) error {
	list, err := from.Steps(ctx, r.ID)
	switch {
	case err != nil:
		return err
	case e.json:
		return e.printJSON(list)
	case c.csv:
		return writeStepRows(e.out, list)
	case len(list) == 0:
		return fail(nil, "a script logs at its steps by task.log(loss=...); a site keeps the curves of its own newest trainings alone", "this site has no curve of a training in run %s", r.Name)
	}
	names := stepMetrics(list)
	metric := cmp.Or(c.metric, names[0])
	if c.metric == "" && slices.Contains(names, "loss") {
		metric = "loss"
	}
	if !slices.Contains(names, metric) {
		return fail(nil, "it has: "+strings.Join(names, ", "), "this site's trainings in run %s have no metric %q", r.Name, metric)
	}
	self, err := ownName(ctx, e, from)
	if err != nil {
		return err
	}
	out := e.out
	out.Printf("%s%s\n%s\n%s", runHead(out, r), stepCurve(out, self, list, metric), trainingsText(out, list, metric), metricsNote(out, names, metric))
	return nil
}

// ownName returns the name that this site has in the roster, or had.
func ownName(ctx context.Context, e *env, from reader) (string, error) {
	id, config, err := readSite(e.dir)
	if err != nil {
		return "", err
	}
	roster, err := from.Roster(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range slices.Concat(roster.Sites, roster.Former) {
		if s.ID == id {
			return s.Name, nil
		}
	}
	return config.Name, nil
}

// stepMetrics returns the names of all metrics in trainings, in order.
func stepMetrics(list []api.TrainingSteps) []string {
	names := map[string]bool{}
	for _, t := range list {
		for _, p := range t.Points {
			for name := range p.Metrics {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// stepCurve plots a metric over the steps of this site in the run.
func stepCurve(out *term.Out, self string, list []api.TrainingSteps, metric string) string {
	last := &list[len(list)-1]
	from, to := list[0].From+list[0].Points[0].Step, last.From+last.Points[len(last.Points)-1].Step
	if to <= from {
		return ""
	}
	columns := min(to-from+1, stepColumns)
	sums, counts := make([]float64, columns), make([]float64, columns)
	for _, t := range list {
		for _, p := range t.Points {
			if v, ok := p.Metrics[metric]; ok {
				at := int(float64(t.From+p.Step-from) / float64(to-from) * float64(columns-1))
				at = min(max(at, 0), int(columns)-1)
				sums[at], counts[at] = sums[at]+v, counts[at]+1
			}
		}
	}
	for i := range sums {
		sums[i] /= counts[i] // NaN where there is no point
	}
	curve := out.Curves([]string{self}, [][]float64{sums}, from, to)
	if curve == "" {
		return ""
	}
	return "\n" + out.Dim(metric+" by step of this site's own trainings") + "\n" + curve
}

// trainingsText lists trainings: how long they were, and a metric at their first and last points.
func trainingsText(out *term.Out, list []api.TrainingSteps, metric string) string {
	t := term.NewTable(term.Column{Name: "round", Right: true}, term.Column{Name: "attempt", Right: true}, term.Column{Name: "steps", Right: true},
		term.Column{Name: metric + " first", Right: true}, term.Column{Name: "last", Right: true}, term.Column{Name: "took", Right: true})
	for i := range list {
		of := &list[i]
		first, last := of.Points[0], of.Points[len(of.Points)-1]
		t.Row(strconv.FormatUint(of.Round, 10), strconv.FormatUint(of.Attempt, 10), strconv.FormatUint(last.Step, 10),
			pointText(first, metric), pointText(last, metric), term.Duration(last.Time.Sub(first.Time)))
	}
	return t.Text(out.Columns(), out.Dim)
}

func pointText(p api.StepPoint, metric string) string {
	if v, ok := p.Metrics[metric]; ok {
		return metricText(v)
	}
	return "-"
}

// writeStepRows writes trainings as CSV (RFC 4180), a row for each point.
func writeStepRows(w io.Writer, list []api.TrainingSteps) error {
	metrics, out := stepMetrics(list), csv.NewWriter(w)
	_ = out.Write(append([]string{"round", "attempt", "step", "global_step", "time"}, metrics...))
	for _, t := range list {
		for _, p := range t.Points {
			row := []string{strconv.FormatUint(t.Round, 10), strconv.FormatUint(t.Attempt, 10), strconv.FormatUint(p.Step, 10), strconv.FormatUint(t.From+p.Step, 10), p.Time.UTC().Format(time.RFC3339Nano)}
			for _, name := range metrics {
				value := ""
				if v, ok := p.Metrics[name]; ok {
					value = strconv.FormatFloat(v, 'g', -1, 64)
				}
				row = append(row, value)
			}
			_ = out.Write(row)
		}
	}
	out.Flush()
	return out.Error() // the first of all
}
