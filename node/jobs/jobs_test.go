package jobs

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// testHost is a node at which nothing happens, and an exchange at which nobody has anything.
type testHost struct {
	seal block.CID
	spec *ledger.RunSpec
	said chan round.Event // nil: nobody listens

	round func() uint64 // the current one; nil: 1
}

func (h *testHost) Deliver(_ context.Context, ev round.Event) bool {
	if h.said != nil {
		h.said <- ev
	}
	return true
}
func (h *testHost) Seen() Seen                           { return h }
func (h *testHost) WentBad(context.Context, error)       {}
func (h *testHost) Counted(block.CID) uint64             { return 0 }
func (h *testHost) Seal(block.CID) block.CID             { return h.seal }
func (h *testHost) Spec(block.CID) *ledger.RunSpec       { return h.spec }
func (h *testHost) Live(block.CID) bool                  { return true }
func (h *testHost) Asks(block.CID) bool                  { return false }
func (h *testHost) Sites() int                           { return 3 }
func (h *testHost) Over() []block.CID                    { return nil }
func (h *testHost) SiteName(peer.ID) string              { return "another" }
func (h *testHost) Ahead(block.CID, peer.ID) []block.CID { return nil }
func (h *testHost) Added(...block.CID)                   {}

func (h *testHost) Round(block.CID) uint64 {
	if h.round != nil {
		return h.round()
	}
	return 1
}

func (h *testHost) Providers(ctx context.Context, _ peer.ID) <-chan peer.ID {
	none := make(chan peer.ID)
	context.AfterFunc(ctx, func() { close(none) })
	return none
}

func (h *testHost) Fetch(ctx context.Context, _ exchange.Request) (exchange.FetchStats, error) {
	<-ctx.Done()
	return exchange.FetchStats{}, ctx.Err()
}

// newTestJobs returns jobs with a store and an index of their own.
func newTestJobs(t *testing.T, h *testHost, trainer train.Trainer) *Jobs {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	store, err := blockstore.OpenDisk(filepath.Join(dir, "store"), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Open(filepath.Join(dir, "index"), store, log)
	if err != nil {
		t.Fatal(err)
	}
	curves, err := steps.Open(filepath.Join(dir, "steps"), log)
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(Config{Self: "self", Site: config.NewLive(config.Default("self")), TaskDir: dir, StateDir: filepath.Join(dir, "state"), Steps: curves, Store: store, Index: x, Blocks: h, Trainer: trainer, Host: h, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return j
}

// testArtifact puts a small artifact into the store.
func testArtifact(t *testing.T, j *Jobs) block.CID { return artifactOf(t, j, 0) }

// artifactOf puts one whose first byte is given.
func artifactOf(t *testing.T, j *Jobs, first byte) block.CID {
	t.Helper()
	cut, err := (tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{4}}}}).Cut(0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.artifacts.store.NewArtifact(cut)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteShard(0, append([]byte{first}, make([]byte, 15)...)); err != nil {
		t.Fatal(err)
	}
	c, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func discard(j *Jobs, manifest block.CID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.discard(manifest)
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not come", what)
		}
	}
}

// under has a training that begins from an artifact be under way until end is called.
func under(j *Jobs, from block.CID) (end func()) {
	now := newTraining(runs.Train{Base: from}, func() {})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.training[from] = now
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.training, from)
		close(now.done)
	}
}

// What a training begins from stays until it has ended, however far the mesh has come.
func TestTrainedFromStays(t *testing.T) {
	j := newTestJobs(t, &testHost{}, nil)
	from := testArtifact(t, j)
	end := under(j, from)
	discard(j, from)
	time.Sleep(50 * time.Millisecond)
	if !j.Holds(from) {
		t.Fatal("removed under the trainer")
	}
	end()
	eventually(t, "its removal", func() bool { return !j.Holds(from) })
}

// A model that is due to be removed is kept while an evaluation waits for the trainer, and one that has gone is not fetched.
func TestEvaluateKeeps(t *testing.T) {
	j := newTestJobs(t, &testHost{}, &train.Synthetic{})
	model, run := testArtifact(t, j), block.Sum(block.DagCBOR, []byte("run"))
	evaluate := func() error {
		_, _, err := j.Ask(t.Context(), run, &ledger.RunSpec{Name: "kept", Rounds: 1}, model, Evaluation(1))
		return err
	}
	leave, err := j.desk.turns.take(t.Context(), block.Sum(block.DagCBOR, []byte("another run")), 1)
	if err != nil {
		t.Fatal(err)
	}
	end := under(j, model) // for which its removal waits already
	discard(j, model)
	ended := make(chan error)
	go func() { ended <- evaluate() }()
	eventually(t, "the evaluation", func() bool {
		j.artifacts.mu.Lock()
		defer j.artifacts.mu.Unlock()
		return len(j.artifacts.reading) == 1
	})
	end()
	leave()
	if err := <-ended; err != nil {
		t.Errorf("an evaluation whose model is removed meanwhile: %v", err)
	}
	eventually(t, "the model's removal", func() bool { return !j.Holds(model) })
	if err := evaluate(); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("of a model that is gone: %v", err)
	}
}

// A site that learns of a seal and of its commit at once does not wait for updates that are gone: what waits for
// the reduction is the fetch of the very model.
func TestReduceOfThePast(t *testing.T) {
	run, seal := block.Sum(block.DagCBOR, []byte("run")), block.Sum(block.DagCBOR, []byte("seal"))
	j := newTestJobs(t, &testHost{}, nil)
	j.Start(nil, runs.Reduce{Run: run, Round: 1, Seal: seal}) // would read the ledger
	if j.underway(run) != nil {
		t.Error("a reduction of a round that is committed is under way")
	}
}

// A trainer that says nothing for long is warned of, once in a training.
func TestSilentTrainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(records, 8)
		d := newDesk(Config{Trainer: process(4711), Log: slog.New(slog.NewTextHandler(log, nil))}, nil, nil)
		said := func(after time.Duration) int {
			time.Sleep(after)
			synctest.Wait()
			return len(log)
		}
		job := runs.Train{Spec: &ledger.RunSpec{Name: "letters"}}
		report, stop := d.listen(&training{job: job})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("too early")
		}
		report(train.Progress{})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("though it was heard")
		}
		if n := said(2 * time.Second); n != 1 {
			t.Fatalf("after long: %d warnings", n)
		}
		if text := <-log; !strings.Contains(text, "nothing is heard of the trainer") || !strings.Contains(text, "pid=4711") || !strings.Contains(text, "name=letters") {
			t.Error(text)
		}
		report(train.Progress{})
		if said(2*trainerSilence) > 0 {
			t.Error("more than once")
		}
		stop()
		_, stop = d.listen(&training{job: job})
		stop()
		if said(2*trainerSilence) > 0 {
			t.Error("after the training")
		}
	})
}

// records are the lines of a log.
type records chan string

func (r records) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// process is a trainer that is a process.
type process int

func (p process) Process(string) int { return int(p) }

func (p process) Run(context.Context, train.Task, func(train.Progress)) (train.Result, error) {
	return train.Result{}, errors.New("error of the test")
}
