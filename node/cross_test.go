package node

import (
	"context"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// crosser is the synthetic trainer, whose figures say which file it was given, and that it is this site's.
type crosser struct {
	train.Synthetic
	own float64
}

func (r *crosser) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if task.Kind != train.Evaluate {
		return r.Synthetic.Run(ctx, task, report)
	}
	data, err := os.ReadFile(task.Base)
	return train.Result{Samples: 7, Metrics: map[string]float64{"bytes": float64(crc32.ChecksumIEEE(data)), "own": r.own, "z1": 1, "z2": 2}}, err
}

// crossing is a config of a site in a mesh whose site d measures, and is not measured.
func crossing(name, config string) string {
	config += "evaluate: true\n"
	switch name {
	case "d":
		return config + "cross_evaluate: {measure: true}\n"
	case "c":
		return config + "cross_evaluate: {measured: true}\n"
	}
	return config + "cross_evaluate: {measure: true, measured: true}\n"
}

// After the last round each site that is willing measures the last update of each that is, and its own; who has measured what is
// in the ledger, and the updates are kept until then and no longer.
func TestCrossEvaluate(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, crossing)
	for i, s := range sites {
		s.trainer = &crosser{own: float64(i)}
	}
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "crossed", Rounds: 2, MinSites: 4, Selection: ledger.NewSelection(ledger.Terms{Cross: ledger.CrossLast})})
	for _, s := range sites {
		s.await("what the sites measured", func(st *api.Status) bool {
			r := runOf(st, run)
			return r.Done == 2 && !r.Unmeasured
		})
	}
	var first api.CrossFigures
	for _, s := range sites {
		r := s.awaitRounds(run, 2)
		if first == nil {
			first = r.Cross
		}
		if len(r.Cross) != 3 || r.Cross["c"] != nil || len(r.Cross["a"]) != 3 || len(r.Cross["d"]) != 4 {
			t.Fatalf("site %s: %v, want rows of a, b and d, and d's update by itself alone", s.name, r.Cross)
		}
	}
	own := map[string]float64{"a": 0, "b": 1, "d": 3}
	seen := map[float64]bool{}
	for whose, f := range first["d"] {
		seen[f.Metrics["bytes"]] = true
		for by := range own {
			got, has := first[by][whose]
			if has != (whose != "d" || by == "d") {
				t.Errorf("%s measured the update of %s: %v", by, whose, has)
			}
			if has && (got.Metrics["bytes"] != f.Metrics["bytes"] || got.Metrics["own"] != own[by] || got.Samples != 7 || len(got.Metrics) != ledger.MaxCrossMetrics) {
				t.Errorf("%s of %s: %+v; d found %+v", by, whose, got, f)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("the figures are of %d files, want one for each site's update", len(seen))
	}
	for _, s := range sites {
		for _, m := range s.lastUpdates(run) {
			s.await("an update to be removed that was measured", func(*api.Status) bool { return !s.node.store.Has(m) })
		}
	}
}

// lastUpdates returns the manifests in a run's last seal.
func (s *testSite) lastUpdates(run block.CID) (list []block.CID) {
	s.t.Helper()
	entries, err := s.client.Ledger(s.t.Context(), 1, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if seal := ledger.As[ledger.Seal](e.Entry); seal != nil && seal.Run == run {
			list = list[:0]
			for i := range seal.Updates {
				list = append(list, seal.Updates[i].Update.Update().Manifest)
			}
		}
	}
	if len(list) == 0 {
		s.t.Fatal("no seal")
	}
	return list
}

// Without its run's word no site measures another's update, and what cannot be is refused with the field.
func TestCrossEvaluateOff(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, crossing)
	for _, s := range sites {
		s.trainer = &crosser{}
	}
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "plain", Rounds: 1, MinSites: 3})
	r := sites[1].await("the last model's figures", func(st *api.Status) bool {
		r := runOf(st, run)
		return r.Done == 1 && !r.Unmeasured
	})
	if got := runOf(r, run).Cross; got != nil {
		t.Errorf("measured: %v", got)
	}
	for _, e := range must(sites[1].client.Ledger(t.Context(), 1, 100)) {
		if c := ledger.As[ledger.Closing](e.Entry); c != nil && len(c.Cross()) > 0 {
			t.Errorf("rows in the ledger: %v", c.Cross())
		}
		if seal := ledger.As[ledger.Seal](e.Entry); seal != nil && slices.ContainsFunc(seal.Updates, func(u ledger.SealedUpdate) bool { return u.Update.Update().Lent }) {
			t.Error("an update says that it is lent, in a run that does not ask for it")
		}
	}
	o := &operator{views: sites[0].node.views}
	for n, want := range map[int]string{16: "", 17: "at most 16"} {
		v := *o.views.now()
		v.roster, v.protocol.Number = wideRoster(n), ledger.CrossProtocol
		o.views = newViews(&v)
		spec := &ledger.RunSpec{Selection: ledger.NewSelection(ledger.Terms{Cross: ledger.CrossLast})}
		if err := o.checkProtocol(spec); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d sites: %v", n, err)
		}
		v.protocol.Number = ledger.SelectionProtocol
		if err := o.checkProtocol(spec); err == nil || want == "" && !strings.Contains(err.Error(), "need protocol 4") {
			t.Errorf("under protocol 3: %v", err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// wideRoster is one of so many sites.
func wideRoster(n int) *ledger.Roster { return ledger.NewRoster(make([]ledger.Site, n), ledger.Crash) }
