package jobs

import (
	"context"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/update"
)

// crossFetch is how long an update that is not here any more is sought, for its evaluation.
const crossFetch = 2 * time.Minute

// measureUpdates has the trainer measure updates of a run that is over, if the site wants that. One that cannot be had, or that
// the trainer fails at, is left out.
func (d *desk) measureUpdates(ctx context.Context, job runs.Measure) (rows []ledger.CrossRow) {
	if !d.site.Now().Cross.Measure {
		return nil
	}
	for _, u := range job.Updates {
		res, err := d.measureUpdate(ctx, job, u)
		name := d.artifacts.host.Seen().SiteName(u.Site)
		if err != nil {
			brief, _ := train.Explain(err)
			d.log.Warn("a site's last update was not measured", "run", job.Run.Short(), "name", job.Spec.Name, "site", name, "error", brief)
			continue
		}
		found := update.Measured(d.log, res, 0)
		if len(found.Metrics) > 0 {
			d.log.Info("measured an update", metricAttrs(found.Metrics, "run", job.Run.Short(), "site", name)...)
			rows = append(rows, ledger.CrossRow{Site: u.Site, Samples: found.Samples, Metrics: found.Metrics})
		}
	}
	return rows
}

// measureUpdate has the trainer measure an update, which is fetched if it is not here.
func (d *desk) measureUpdate(ctx context.Context, job runs.Measure, u ledger.Input) (train.Result, error) {
	done, _ := d.artifacts.reads(u.Manifest) // so that it stays
	defer done()
	soon, cancel := context.WithTimeout(ctx, crossFetch)
	defer cancel()
	if err := d.artifacts.makeWhole(soon, runs.Fetch{Run: job.Run, Manifest: u.Manifest, Layout: job.Spec.Layout, Owner: u.Site}); err != nil {
		return train.Result{}, err
	}
	res, _, err := d.askFree(ctx, job.Run, job.Spec, u.Manifest, Evaluation(job.Round))
	return res, err
}
