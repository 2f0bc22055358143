package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/trace"
)

// The crash test: real processes, kill -9 of one in each phase of a round, and of all at random
// moments. WEFT_CRASH_ROUNDS is how many times each mesh is hurt, WEFT_CRASH_SEED when.

// crashLimit bounds every wait; a mesh that makes no progress for so long fails the test.
const crashLimit = 90 * time.Second

// killAt is an event of the victim's trace that a phase begins with.
type killAt struct {
	phase api.Phase
	is    func(e *api.Event) bool
}

// is reports whether an event is of a kind.
func is[T trace.Event](e *api.Event) bool { _, ok := e.Event.(T); return ok }

var killPoints = []killAt{
	{api.PhaseTraining, func(e *api.Event) bool { return is[trace.TrainingStarted](e) }},
	{api.PhaseAnnouncing, func(e *api.Event) bool { return is[trace.Announced](e) }},
	{api.PhaseSealing, func(e *api.Event) bool { r, ok := e.Event.(trace.Ready); return ok && r.Decision.Kind == "seal" }},
	{api.PhaseReducing, func(e *api.Event) bool { return is[trace.ReductionStarted](e) }},
	{api.PhaseCommitting, func(e *api.Event) bool { return is[trace.Reduced](e) }},
}

func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute")
	}
	hurts := envInt(t, "WEFT_CRASH_ROUNDS", 5)
	seed := envInt(t, "WEFT_CRASH_SEED", 1)
	for _, c := range []struct {
		faults ledger.Faults
		sites  int
	}{{ledger.Byzantine, 4}, {ledger.Crash, 3}} {
		t.Run(fmt.Sprintf("%s-%d", c.faults, c.sites), func(t *testing.T) {
			if c.sites > 3 && os.Getenv("WEFT_TEST_ALL") != "1" && os.Getenv("WEFT_CRASH_ROUNDS") == "" {
				t.Skip("a second mesh is killed: WEFT_TEST_ALL=1")
			}
			t.Parallel()
			x := newCrash(t, c.faults, c.sites, uint64(seed))
			for i := range hurts {
				x.killOne(killPoints[i%len(killPoints)], i%c.sites)
				if i%4 == 1 {
					x.killAll()
				}
			}
			x.check()
		})
	}
}

func envInt(t *testing.T, name string, otherwise int) int {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// crash is a mesh under attack.
type crash struct {
	t    *testing.T
	ctx  context.Context
	mesh *local.Mesh
	run  block.CID
	rand *rand.Rand
}

func newCrash(t *testing.T, faults ledger.Faults, sites int, seed uint64) *crash {
	x := newCrashMesh(t, faults, sites, seed, "{synthetic: {bytes: 300kB, time: 200ms, varies: true}}")
	x.open(ledger.RunSpec{Name: "crash", Rounds: 100_000})
	x.await("the first round", func() bool { return x.least(x.mesh.Nodes) >= 1 })
	return x
}

// newCrashMesh starts a mesh.
func newCrashMesh(t *testing.T, faults ledger.Faults, sites int, seed uint64, trainer string) *crash {
	all := make([]local.Site, sites)
	for i := range all {
		all[i].Trainer = trainer
	}
	x := newCrashSites(t, faults, all, seed)
	x.start(x.mesh.Nodes...)
	return x
}

// newCrashSites founds a mesh, whose sites get names; nothing runs yet.
func newCrashSites(t *testing.T, faults ledger.Faults, sites []local.Site, seed uint64) *crash {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	dir, err := os.MkdirTemp("", "weft-crash-") // t.TempDir's paths are too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	c := local.Config{Exe: "weft", Dir: dir, Name: "crash", Faults: faults}
	for i, s := range sites {
		s.Name = fmt.Sprintf("site-%d", i+1)
		c.Sites = append(c.Sites, s)
	}
	m, err := local.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("seed %d; the sites' directories stay in %s", seed, dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return &crash{t: t, ctx: ctx, mesh: m, rand: rand.New(rand.NewPCG(seed, uint64(len(sites))))}
}

// open opens the run.
func (x *crash) open(spec ledger.RunSpec) {
	x.t.Helper()
	x.openFrom("", spec)
}

// openFrom opens the run from a file, or from a model that the first site's trainer makes.
func (x *crash) openFrom(model string, spec ledger.RunSpec) {
	x.t.Helper()
	reply, err := x.mesh.Nodes[0].Client.Start(x.ctx, api.RunRequest{Spec: spec, Model: model, Init: model == ""})
	if err != nil {
		x.t.Fatal(err)
	}
	x.run = reply.Run
}

func (x *crash) start(nodes ...*local.Node) {
	x.t.Helper()
	for _, n := range nodes {
		if err := n.Start(); err != nil {
			x.t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if err := n.Ready(x.ctx); err != nil {
			x.t.Fatal(err)
		}
	}
}

// await polls until what is true.
func (x *crash) await(what string, is func() bool) {
	x.t.Helper()
	for end := time.Now().Add(crashLimit); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			for _, n := range x.mesh.Nodes {
				s, err := n.Client.Full(x.ctx)
				x.t.Logf("%s: %+v, %v", n.Name, s, err)
			}
			x.t.Fatalf("waited %v for %s", crashLimit, what)
		}
	}
}

// status returns the run as a site has it; a node that does not answer fails the test if it has ended.
func (x *crash) status(n *local.Node) (*api.Status, *api.RunStatus) {
	x.t.Helper()
	if err := n.Check(); err != nil {
		x.t.Fatal(err)
	}
	s, err := n.Client.Full(x.ctx)
	if err != nil {
		x.t.Fatalf("%s: %v", n.Name, err)
	}
	return s, findRun(s, x.run.String())
}

// least returns the fewest rounds that one of the nodes has seen committed.
func (x *crash) least(nodes []*local.Node) int {
	x.t.Helper()
	least := 1 << 30
	for _, n := range nodes {
		_, r := x.status(n)
		if r == nil {
			return 0
		}
		least = min(least, len(r.History))
	}
	return least
}

// killOne kills a site at the start of a phase, sees the others finish that round and the next, starts
// the site again, and sees it catch up and take part.
func (x *crash) killOne(at killAt, victim int) {
	x.t.Helper()
	v := x.mesh.Nodes[victim]
	others := slices.DeleteFunc(slices.Clone(x.mesh.Nodes), func(n *local.Node) bool { return n == v })
	x.waitFor(v, at, time.Now())
	if err := v.Kill(); err != nil {
		x.t.Fatal(err)
	}
	word := lastWord(v)
	before := x.least(others)
	x.await(fmt.Sprintf("two rounds without %s, killed while %s", v.Name, at.phase), func() bool { return x.least(others) >= before+2 })
	missed := x.least(others)
	x.start(v)
	x.await(v.Name+" to catch up and take part again", func() bool {
		_, r := x.status(v)
		if r == nil || len(r.History) <= missed {
			return false
		}
		return slices.ContainsFunc(r.History[missed:], func(h api.RoundStatus) bool { return slices.Contains(h.Sites, v.Name) })
	})
	x.t.Logf("%s killed while %s in round %d, its last word %q; back in round %d", v.Name, at.phase, before+1, word, x.least(x.mesh.Nodes)+1)
}

// lastWord returns the last event that a killed site has traced.
func lastWord(n *local.Node) string {
	data, err := os.ReadFile(filepath.Join(n.Dir, "trace.jsonl"))
	if err != nil {
		return err.Error()
	}
	last := ""
	for line := range bytes.Lines(data) {
		var e api.Event
		if json.Unmarshal(line, &e) == nil {
			last = string(e.Kind())
		}
	}
	return last
}

// waitFor returns when the site's trace has the event, later than after.
func (x *crash) waitFor(n *local.Node, at killAt, after time.Time) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, crashLimit)
	defer cancel()
	for e, err := range n.Client.Events(ctx, 0, true) {
		if err != nil {
			x.t.Fatalf("%s: no %s: %v", n.Name, at.phase, err)
		}
		if e.Time.After(after) && at.is(&e) {
			return
		}
	}
	x.t.Fatalf("%s: no %s", n.Name, at.phase)
}

// killAll kills every site at a random moment of a round and starts them again: the run goes on,
// and no entry that a site had is lost.
func (x *crash) killAll() {
	x.t.Helper()
	moment := time.Duration(x.rand.Int64N(int64(time.Second)))
	rounds := x.least(x.mesh.Nodes)
	x.await("a round", func() bool { return x.least(x.mesh.Nodes) > rounds })
	time.Sleep(moment) // the moment is what is tested; nothing waits for anything
	heads := map[uint64]block.CID{}
	for _, n := range x.mesh.Nodes {
		s, r := x.status(n)
		heads[s.Height] = s.Head
		rounds = max(rounds, len(r.History))
	}
	for _, n := range x.mesh.Nodes {
		if err := n.Kill(); err != nil {
			x.t.Fatal(err)
		}
	}
	x.start(x.mesh.Nodes...)
	x.await("two rounds after all were killed", func() bool { return x.least(x.mesh.Nodes) >= rounds+2 })
	for _, n := range x.mesh.Nodes {
		for height, head := range heads {
			if height == 0 {
				continue
			}
			e, err := n.Client.Ledger(x.ctx, height, 1)
			if err != nil || len(e) != 1 || e[0].CID != head {
				x.t.Fatalf("%s: height %d was %s before all were killed, now %v, %v", n.Name, height, head, e, err)
			}
		}
	}
	x.t.Logf("all killed in round %d, %v after a commit; back in round %d", rounds+1, moment.Round(time.Millisecond), x.least(x.mesh.Nodes)+1)
}

// check holds the sites against each other: one ledger, one model a round, nobody named, all verified.
func (x *crash) check() {
	x.t.Helper()
	var ledgers [][]api.LedgerEntry
	models := map[uint64]block.CID{}
	rounds := 0
	for _, n := range x.mesh.Nodes {
		s, r := x.status(n)
		if len(s.Named) > 0 || s.Problem != "" {
			x.t.Errorf("%s: named %v, problem %q", n.Name, s.Named, s.Problem)
		}
		for i, h := range r.History {
			if h.Round != uint64(i+1) {
				x.t.Errorf("%s: round %d follows %d", n.Name, h.Round, i)
			}
			if models[h.Round].Defined() && models[h.Round] != h.Model {
				x.t.Errorf("%s: round %d ended with %s, elsewhere with %s", n.Name, h.Round, h.Model, models[h.Round])
			}
			models[h.Round] = h.Model
		}
		rounds = max(rounds, len(r.History))
		l, err := ledgerEntries(x.ctx, n.Client, 1, 0)
		if err != nil {
			x.t.Fatal(err)
		}
		ledgers = append(ledgers, l)
		x.checkLedger(n, l, ledgers[0])
		if report, err := archive.Verify(n.Dir); err != nil {
			x.t.Errorf("%s: %v", n.Name, err)
		} else if report.Height < uint64(len(l)) {
			x.t.Errorf("%s: verified to height %d, its ledger has %d", n.Name, report.Height, len(l))
		}
	}
	x.t.Logf("%d rounds, %d heights, the same at %d sites", rounds, len(ledgers[0]), len(ledgers))
}

func (x *crash) checkLedger(n *local.Node, l, first []api.LedgerEntry) {
	x.t.Helper()
	for i, e := range l {
		if e.Height != uint64(i+1) {
			x.t.Fatalf("%s: height %d follows %d", n.Name, e.Height, i)
		}
		if i < len(first) && e.CID != first[i].CID {
			x.t.Fatalf("%s: height %d is %s, elsewhere %s", n.Name, e.Height, e.CID, first[i].CID)
		}
	}
}
