package nodetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

var makeDirectory = flag.String("make-directory", "", "make a fixture such as testdata/directory-1 in this folder, which must not exist")

// TestMakeDirectory makes a site's directory with a rich history, for the tests that read what an older
// program has written. testdata/directory-1 was made with it once. Later programs must read that one, so
// it is never made again: another fixture gets another folder, with a README that names the commit.
func TestMakeDirectory(t *testing.T) {
	if *makeDirectory == "" {
		t.Skip("makes a fixture: -make-directory says where")
	}
	cryptotest.SetGlobalRandom(t, 1)
	processors := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(processors) })
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t)
		p.lateAndSealedAgain()
		p.lateAndCarried()
		p.lateAndVoided()
		p.rosterChanges()
		p.stoppedRun()
		p.lastVote()
		p.store(*makeDirectory)
	})
}

// huge is what two updates may not both have as their first element, one on time and one a round late:
// the second is carried over as the first plus its own change, which no float32 holds. So a finite update
// turns out to be impossible to aggregate, as no other one of an honest site does.
const huge = 2e38

// play is the history of the mesh whose last site's directory is kept.
type play struct {
	t          *testing.T
	m          *Mesh
	a, b, c, d *Site // of the genesis; d is the one that is kept
	stage      *stage
	run        block.CID
}

func newPlay(t *testing.T) *play {
	p := &play{t: t, stage: &stage{}}
	p.m = New(t, Config{Seed: 1, Sites: 4, Model: 160, Shard: 10, Trainer: func(site int) train.Trainer { return &actor{p.stage, site} }})
	p.a, p.b, p.c, p.d = p.m.Sites[0], p.m.Sites[1], p.m.Sites[2], p.m.Sites[3]
	config := "name: s03\nlisten: [/ip4/127.0.0.1/tcp/0]\naccept: auto\nkeep_updates: true\nkeep_models: 100\ntrainer: {synthetic: {bytes: 160, seed: 1}}\n"
	if err := os.WriteFile(filepath.Join(p.d.Dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.m.Sites {
		s.Start()
	}
	p.await("all sites connected", func() bool { return p.status(p.d).Up == 4 })
	p.run = p.open("long", 9)
	return p
}

func (p *play) open(name string, rounds uint64) block.CID {
	spec := ledger.RunSpec{Name: name, Rounds: rounds, MinSites: 3, Attempts: 1, KeepUpdates: true, Train: map[string]string{"lr": "0.1"}}
	reply, err := p.d.Node.Site().OpenRun(p.t.Context(), api.RunRequest{Init: true, Spec: spec})
	if err != nil {
		p.t.Fatal(err)
	}
	return reply.Run
}

// lateAndSealedAgain: d's update of round 1 comes in round 2 and cannot be aggregated, so that another seal
// drops it.
func (p *play) lateAndSealedAgain() {
	p.trains("long", 1, huge, p.a, p.b, p.c)
	p.awaitRounds(1)
	p.trains("long", 1, huge, p.d)
	p.awaitHeld(p.d, 1)
	p.trains("long", 2, 1, p.a, p.b, p.c)
	p.awaitRounds(2)
}

// lateAndCarried: d's update of round 3 counts in round 4, though d is started again in between.
func (p *play) lateAndCarried() {
	p.trains("long", 3, 1, p.a, p.b, p.c)
	p.awaitRounds(3)
	p.trains("long", 3, 1, p.d)
	p.awaitHeld(p.d, 3)
	p.d.Stop()
	p.d.Start()
	p.trains("long", 4, 1, p.a, p.b, p.c)
	p.awaitRounds(4)
}

// lateAndVoided: d's update of round 5 comes in round 6; without it too few remain for another seal.
func (p *play) lateAndVoided() {
	p.trains("long", 5, huge, p.a, p.b, p.c)
	p.awaitRounds(5)
	p.trains("long", 5, huge, p.d)
	p.awaitHeld(p.d, 5)
	p.trains("long", 6, 1, p.a, p.b)
	p.await("a void", func() bool { return slices.Contains(p.entries(), "void 6") })
	p.trains("long", 6, 1, p.c, p.d)
	p.awaitRounds(6)
}

// rosterChanges: a site is added; d's operator wants two others removed, and takes one of that back.
func (p *play) rosterChanges() {
	e := p.m.Newcomer()
	e.Start()
	add := api.ChangeRequest{Add: &api.RosterSite{Name: e.Name, ID: e.ID}}
	p.says(add, p.d, p.a, p.b)
	p.await("the roster", func() bool {
		return !slices.ContainsFunc(p.m.Sites, func(s *Site) bool { return p.status(s).Sites != 5 })
	})
	p.trains("long", 7, 1, p.m.Sites...)
	p.awaitRounds(7)
	remove := p.says(api.ChangeRequest{Remove: p.c.Name}, p.d, p.a)
	p.says(api.ChangeRequest{Withdraw: remove.ID.String()}, p.d)
	p.says(api.ChangeRequest{Remove: p.b.Name}, p.d)
}

func (p *play) stoppedRun() {
	run := p.open("short", 2)
	p.await("the short run", func() bool { return len(p.status(p.d).Runs) == 2 && len(p.status(p.d).Runs[1].Takes) == 5 })
	if err := p.d.Node.Site().StopRun(p.t.Context(), run, "only tried"); err != nil {
		p.t.Fatal(err)
	}
	p.await("its end", func() bool { return p.status(p.d).Runs[1].Phase == api.PhaseStopped })
}

// lastVote: d is killed when it has precommitted the commit of round 8 and does not know yet what becomes of it.
func (p *play) lastVote() {
	height := p.status(p.d).Height + 2 // the seal is first
	p.trains("long", 8, 1, p.m.Sites...)
	p.awaitStep("the last vote", time.Millisecond, func() bool { return p.traced(p.d, "precommit", height) })
	if at := p.status(p.d).Height; at != height-1 {
		p.t.Fatalf("killed too late, at height %d", at)
	}
	p.d.Kill()
}

// store packs d's directory as it is on its disk, and the CAR of its ledger.
func (p *play) store(dir string) {
	a, err := archive.Open(p.d.Dir)
	if err != nil {
		p.t.Fatal(err)
	}
	var car bytes.Buffer
	site, err2 := pack(p.d.Dir)
	err = errors.Join(a.WriteCAR(&car), err2, os.Mkdir(dir, 0o755))
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, "ledger.car"), car.Bytes(), 0o644), os.WriteFile(filepath.Join(dir, "site.tar.gz"), site, 0o644))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("height %d: %s", a.Report().Height, strings.Join(p.entries(), ", "))
}

// pack returns a folder as a compressed tar file, with the modes of its files.
func pack(dir string) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := filepath.ToSlash(path[len(dir)+1:])
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(info.Mode().Perm())})
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	err = errors.Join(err, w.Close(), z.Close())
	return b.Bytes(), err
}

// trains lets sites train a round, with the first element of their updates.
func (p *play) trains(run string, number uint64, first float32, sites ...*Site) {
	for _, s := range sites {
		p.stage.allow(scene{run, number, s.index}, first)
	}
}

// says has the operators of sites say the same to a change of the roster.
func (p *play) says(req api.ChangeRequest, sites ...*Site) (c api.RosterChange) {
	for _, s := range sites {
		var err error
		if c, err = s.Node.Site().ChangeRoster(p.t.Context(), req); err != nil {
			p.t.Fatalf("site %s: %v", s, err)
		}
	}
	return c
}

func (p *play) status(s *Site) api.Status {
	return fullStatus(p.t, s.Node)
}

func (p *play) awaitRounds(n int) {
	p.await(fmt.Sprintf("%d rounds", n), func() bool {
		return !slices.ContainsFunc(p.m.Up(), func(s *Site) bool {
			runs := p.status(s).Runs
			return len(runs) == 0 || len(runs[0].History) < n || !runs[0].History[n-1].Held
		})
	})
}

// awaitHeld waits until all sites hold a site's update of a round.
func (p *play) awaitHeld(of *Site, number uint64) {
	p.await("the late update", func() bool {
		return !slices.ContainsFunc(p.m.Sites[:3], func(s *Site) bool { return !p.tracedOf(s, "holds", number, of) })
	})
}

func (p *play) await(what string, ok func() bool) {
	p.t.Helper()
	p.awaitStep(what, 100*time.Millisecond, ok)
}

func (p *play) awaitStep(what string, step time.Duration, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(10 * time.Minute); !ok(); time.Sleep(step) {
		if time.Now().After(end) {
			for _, s := range p.m.Up() {
				p.t.Logf("site %s: %+v", s, p.status(s).Runs)
			}
			p.t.Fatalf("%s has not come; the ledger: %s", what, strings.Join(p.entries(), " "))
		}
	}
}

// entries says what the entries are that a has.
func (p *play) entries() (list []string) {
	entries, err := p.a.Node.Site().Entries(p.t.Context(), 1, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Entry.String())
	}
	return list
}

func (p *play) traced(s *Site, kind trace.Kind, height uint64) bool {
	return p.anyEvent(s, func(e *api.Event) bool { return e.Kind() == kind && e.About().Height == height })
}

func (p *play) tracedOf(s *Site, kind trace.Kind, number uint64, of *Site) bool {
	return p.anyEvent(s, func(e *api.Event) bool {
		return e.Kind() == kind && e.About().Round == number && e.About().Site == of.ID
	})
}

func (p *play) anyEvent(s *Site, ok func(e *api.Event) bool) bool {
	data, err := os.ReadFile(filepath.Join(s.Dir, "trace.jsonl"))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var e api.Event
		if json.Unmarshal(line, &e) == nil && ok(&e) {
			return true
		}
	}
	return false
}

// scene is a training of a site.
type scene struct {
	run   string
	round uint64
	site  int
}

// stage says when trainings end, and with what.
type stage struct {
	mu     sync.Mutex
	scenes map[scene]chan struct{}
	first  map[scene]float32
}

func (g *stage) gate(s scene) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.scenes == nil {
		g.scenes, g.first = map[scene]chan struct{}{}, map[scene]float32{}
	}
	if g.scenes[s] == nil {
		g.scenes[s] = make(chan struct{})
	}
	return g.scenes[s]
}

func (g *stage) allow(s scene, first float32) {
	gate := g.gate(s)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first[s] = first
	close(gate)
}

// actor is a site's trainer: the synthetic one, when its scene has come.
type actor struct {
	stage *stage
	site  int
}

func (a *actor) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	s := scene{task.Name, task.Round, a.site}
	select {
	case <-a.stage.gate(s):
	case <-ctx.Done():
		return train.Result{}, ctx.Err()
	}
	res, err := (&train.Synthetic{Time: time.Second}).Run(ctx, task, report)
	if err != nil {
		return res, err
	}
	a.stage.mu.Lock()
	first := a.stage.first[s]
	a.stage.mu.Unlock()
	return res, setFirst(res.Update, first)
}

// setFirst sets the first element of a safetensors file of F32.
func setFirst(path string, x float32) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := 8 + binary.LittleEndian.Uint64(data)
	binary.LittleEndian.PutUint32(data[at:], math.Float32bits(x))
	return os.WriteFile(path, data, 0o600)
}
