package node

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// latch is the synthetic trainer behind a latch: a training of a round waits until the round is let through.
type latch struct {
	train.Synthetic
	mu      sync.Mutex
	open    map[uint64]chan struct{}
	stopped atomic.Int32
	began   atomic.Int32
}

func (g *latch) of(round uint64) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[uint64]chan struct{}{}
	}
	if g.open[round] == nil {
		g.open[round] = make(chan struct{})
	}
	return g.open[round]
}

func (g *latch) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	g.began.Add(1)
	select {
	case <-g.of(task.Round):
		return g.Synthetic.Run(ctx, task, report)
	case <-ctx.Done():
		g.stopped.Add(1)
		return train.Result{}, ctx.Err()
	}
}

// gateRounds lets only the first rounds of a run through, so that it stays open.
func gateRounds(sites []*testSite, rounds uint64) {
	for _, s := range sites {
		g := &latch{}
		for i := range rounds {
			close(g.of(i + 1))
		}
		s.trainer = g
	}
}

// A site that is stopped in the middle of a run and started again goes on, also when all are.
func TestRestart(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, nil)
	gates := []*latch{{}, {}, {}}
	for i, s := range sites {
		s.trainer = gates[i]
		close(gates[i].of(1))
		if i > 0 {
			close(gates[i].of(2))
		}
	}
	upAll(sites)
	run := sites[1].start(ledger.RunSpec{Name: "restart", Rounds: 3, MinSites: 3})
	sites[0].awaitRounds(run, 1)
	sites[1].await("updates of the others", func(st *api.Status) bool { return len(runOf(st, run).Updates) == 2 })

	sites[0].down() // while it trains
	if gates[0].stopped.Load() == 0 {
		t.Error("the training was not stopped")
	}
	close(gates[0].of(2))
	sites[0].up() // it finds the others by the addresses it has learnt
	first := sites[0].awaitRounds(run, 2)

	for _, s := range sites {
		s.down()
	}
	for i, s := range sites {
		close(gates[i].of(3))
		s.up(sites...)
	}
	for _, s := range sites {
		r := s.awaitRounds(run, 3)
		if r.Phase != api.PhaseDone || r.History[0].Model != first.History[0].Model || r.History[2].Model != sites[0].awaitRounds(run, 3).History[2].Model {
			t.Errorf("site %s: %+v", s.name, r)
		}
		events, err := os.ReadFile(filepath.Join(s.dir, site.TraceFile))
		if err != nil || strings.Contains(string(events), `"rejected"`) {
			t.Errorf("site %s rejected something: %v\n%s", s.name, err, events)
		}
	}
}

// An update that misses its round's seal counts in a later one, from which the model can be computed anew.
func TestLateSiteIsCarried(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, func(name, config string) string {
		if name == "d" {
			config += "keep_updates: true\nkeep_models: 1\n"
		}
		return config
	})
	gateRounds(sites, 1)
	d, late := sites[3], &latch{}
	d.trainer = late
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "late", Rounds: 2})
	for _, s := range sites {
		s.awaitRounds(run, 1)
	}
	close(late.of(1))
	for _, s := range sites {
		awaitEvent(s, "the late update", func(e trace.Held) bool { return e.Site == d.id && e.Round == 1 })
	}
	for _, s := range sites[:3] {
		close(s.trainer.(*latch).of(2))
	}
	d.awaitRounds(run, 2)
	entries, err := d.client.Ledger(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	sealed := map[uint64][]ledger.SealedUpdate{}
	for _, e := range entries {
		if ledger.As[ledger.Seal](e.Entry) != nil {
			sealed[ledger.As[ledger.Seal](e.Entry).Round] = ledger.As[ledger.Seal](e.Entry).Updates
		}
	}
	ofD := func(u ledger.SealedUpdate) bool { return u.Update.From == d.id }
	if len(sealed[1]) != 3 || slices.ContainsFunc(sealed[1], ofD) || !slices.ContainsFunc(sealed[2], ofD) { // on a busy machine another may miss the second
		t.Fatalf("sealed %d and %d updates", len(sealed[1]), len(sealed[2]))
	}
	for _, u := range sealed[2] {
		stated := u.Update.Update()
		if u.Update.From == d.id && (stated.Round != 1 || u.Weight != stated.Samples/2) {
			t.Errorf("of d counts round %d with weight %d of %d", stated.Round, u.Weight, stated.Samples)
		}
	}
	d.down()
	if got := recomputed(t, d.dir, block.CID{}); !slices.Equal(got, []archive.Recomputed{{Outcome: archive.Same}, {Outcome: archive.Same}}) {
		t.Errorf("recomputed: %+v", got)
	}
}

// A site whose log is gone says so, stays silent for two heights, and then votes again.
func TestLostLog(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, nil)
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "lost", Rounds: 1, MinSites: 3})
	sites[3].awaitRounds(run, 1)
	sites[3].down()
	if err := os.Remove(filepath.Join(sites[3].dir, site.LogFile)); err != nil {
		t.Fatal(err)
	}
	sites[3].up(sites...)
	sites[3].await("the ledger", func(st *api.Status) bool { return st.Height == 3 && strings.Contains(st.Problem, "log was lost") })
	run = sites[0].start(ledger.RunSpec{Name: "again", Rounds: 2, MinSites: 3})
	sites[3].awaitRounds(run, 2)
	sites[3].await("votes", func(st *api.Status) bool { return st.Problem == "" })
	sites[3].down()
	if _, err := archive.Verify(sites[3].dir); err != nil {
		t.Error(err)
	}
}

// failing is a trainer that fails at first.
type failing struct {
	train.Synthetic
	left atomic.Int32
}

func (f *failing) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if f.left.Add(-1) >= 0 {
		return train.Result{}, errTest
	}
	res, err := f.Synthetic.Run(ctx, task, report)
	res.Metrics["nan"] = math.NaN()
	return res, err
}

// A failing trainer is named with its error, tried again, and is no problem once it works.
func TestTrainerFails(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	f := &failing{}
	f.left.Store(1 << 30)
	sites[1].trainer = f
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "fails", Rounds: 1, MinSites: 2})
	sites[1].await("the trainer's error", func(st *api.Status) bool { return strings.Contains(st.Problem, errTest.Error()) })
	f.left.Store(0)
	r := sites[1].awaitRounds(run, 1)
	if _, sent := r.History[0].Metrics["b"]["nan"]; sent {
		t.Error("a metric that is no number was sent")
	}
	sites[1].await("no problem", func(st *api.Status) bool { return st.Problem == "" })
	if left, err := os.ReadDir(filepath.Join(sites[1].dir, site.TaskDir)); err != nil || len(left) > 0 {
		t.Errorf("tasks' folders are left: %v %v", left, err)
	}
}

// The operator answers on a run, changes the answer, and ends it.
func TestConsentAndStop(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, func(name, config string) string {
		if name == "c" {
			config = strings.Replace(config, "accept: auto", "accept: [run: wanted-*]", 1)
		}
		return config
	})
	gates := []*latch{{}, {}, {}}
	for i, s := range sites {
		s.trainer = gates[i]
	}
	upAll(sites)
	ctx, c := t.Context(), sites[2]
	asked := sites[0].start(ledger.RunSpec{Name: "asked", Rounds: 1, MinSites: 3})
	sites[0].await("whom the run waits for", func(st *api.Status) bool {
		return len(st.NotOpen) == 1 && st.NotOpen[0].Waits == "consents: 2 of the 3 needed; no answer yet from c"
	})
	st := c.await("the question", func(st *api.Status) bool {
		return len(st.Pending) == 1 && len(st.NotOpen) == 1 && st.NotOpen[0].Bytes == modelBytes && len(st.Runs) == 0
	})
	if st.Pending[0].Run != asked || st.Pending[0].Spec.Name != "asked" {
		t.Errorf("pending %+v", st.Pending)
	}
	if err := c.client.Consent(ctx, asked, api.Consent{Accept: true}); err != nil {
		t.Fatal(err)
	}
	c.await("training", func(st *api.Status) bool { return len(st.Pending) == 0 && runOf(st, asked).Phase == api.PhaseTraining })
	sites[0].await("its consent", func(st *api.Status) bool { return len(runOf(st, asked).Takes) == 3 && runOf(st, asked).Waits == "" })
	if err := c.client.Consent(ctx, asked, api.Consent{Accept: false}); err != nil {
		t.Fatal(err)
	}
	c.await("its end", func(st *api.Status) bool { return runOf(st, asked).Phase == api.PhaseDeclined })
	c.await("what it knows of the round", func(st *api.Status) bool {
		return runOf(st, asked).Waits == "sites that take part: 2 of the 3 needed; declined by c"
	})
	sites[0].await("the withdrawal", func(st *api.Status) bool {
		return len(runOf(st, asked).Takes) == 2 && runOf(st, asked).Waits == "sites that take part: 2 of the 3 needed; declined by c"
	})

	wanted := sites[1].start(ledger.RunSpec{Name: "wanted-1", Rounds: 1})
	sites[1].await("its own run", func(st *api.Status) bool { return runOf(st, wanted).Phase != "" })
	c.await("training without a question", func(st *api.Status) bool { return runOf(st, wanted).Phase == api.PhaseTraining })
	if err := c.client.Consent(ctx, wanted, api.Consent{Accept: false}); err != nil {
		t.Fatal(err)
	}
	c.await("its end, without waiting for updates that it does not fetch", func(st *api.Status) bool {
		return runOf(st, wanted).Phase == api.PhaseDeclined && len(runOf(st, wanted).Takes) == 2 && runOf(st, wanted).Waits == ""
	})
	if err := errors.Join(sites[0].client.Stop(ctx, asked, api.Stop{Reason: "enough"}), sites[1].client.Stop(ctx, wanted, api.Stop{})); err != nil {
		t.Fatal(err)
	}
	// All see the end before one goes down: two of three are the quorum, and may have decided without the third.
	for _, s := range sites {
		s.await("the end of both", func(st *api.Status) bool {
			return runOf(st, asked).Phase == api.PhaseStopped && runOf(st, wanted).Phase == api.PhaseStopped
		})
	}
	for i, s := range sites {
		s.down()
		if g := gates[i]; g.began.Load() != g.stopped.Load() {
			t.Errorf("site %s: %d trainings began, %d were stopped", s.name, g.began.Load(), g.stopped.Load())
		}
	}
}

// Run leaves nothing behind, and a directory is one node's.
func TestEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	sites := newTestMesh(t, 2, nil)
	upAll(sites)
	h, err := site.Open(sites[0].dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(h, Options{Log: sites[0].log})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); !errors.Is(err, site.ErrInUse) || !strings.Contains(err.Error(), "(process ") {
		t.Errorf("a second node: %v", err)
	}
	run := sites[0].start(ledger.RunSpec{Name: "ends", Rounds: 1000})
	sites[1].awaitRounds(run, 1)
	for _, s := range sites {
		s.down()
		s.client.Close()
		if _, err := s.client.Status(t.Context()); !errors.Is(err, api.ErrNotRunning) {
			t.Errorf("after the end: %v", err)
		}
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before+2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	}
}

// slow is a latch whose trainings take a while to stop, as a process does that is in the middle of a step.
type slow struct{ latch }

func (g *slow) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	res, err := g.latch.Run(ctx, task, report)
	if ctx.Err() != nil {
		time.Sleep(200 * time.Millisecond)
	}
	return res, err
}

// An operator who declines and thinks better of it before the trainer has stopped gets a training all the same.
func TestDeclineAndAccept(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	b, g := sites[1], &slow{}
	b.trainer = g
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "wavering", Rounds: 1, MinSites: 2})
	b.await("its training", func(*api.Status) bool { return g.began.Load() == 1 })
	for _, accept := range []bool{false, true} {
		if err := b.client.Consent(t.Context(), run, api.Consent{Accept: accept}); err != nil {
			t.Fatal(err)
		}
	}
	close(g.of(1))
	b.awaitRounds(run, 1)
	if g.began.Load() != 2 {
		t.Errorf("%d trainings began, want one that was stopped and another", g.began.Load())
	}
}
