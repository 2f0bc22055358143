package main

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// What the sites measured of each other's last updates.

// crossText is a table of one metric: who has measured it, of whose update. It is empty if nobody has.
func crossText(out *term.Out, r *api.RunStatus, metric string) string {
	by, of, metrics := r.Cross.Names()
	if len(metrics) == 0 {
		return ""
	}
	if metric = strings.TrimPrefix(metric, evalPrefix); !slices.Contains(metrics, metric) {
		metric = crossKey(r, metrics)
	}
	t := term.Matrix("measured by", by, of, func(by, of string) string {
		v, has := r.Cross[by][of].Metrics[metric]
		return lossText(v, has)
	})
	return "\n" + out.Dim(metric+" of each site's last update, by the sites that measured it") + "\n" + t.Text(out.Columns(), out.Dim)
}

// crossKey is the metric to show: by which the best model is chosen, or the first.
func crossKey(r *api.RunStatus, metrics []string) string {
	if terms, err := r.Spec.Selection.Read(); err == nil && terms.Best != nil && slices.Contains(metrics, terms.Best.Metric) {
		return terms.Best.Metric
	}
	return metrics[0]
}

// writeCross writes as CSV (RFC 4180) a row for each site that has measured and each whose update it has.
func writeCross(w io.Writer, cross api.CrossFigures) error {
	out := csv.NewWriter(w)
	by, of, metrics := cross.Names()
	_ = out.Write(append([]string{"by", "of", "samples"}, metrics...))
	for _, by := range by {
		for _, of := range of {
			found, has := cross[by][of]
			if !has {
				continue
			}
			row := []string{by, of, strconv.FormatUint(found.Samples, 10)}
			for _, name := range metrics {
				value := ""
				if v, has := found.Metrics[name]; has {
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
