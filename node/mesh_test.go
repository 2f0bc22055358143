package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// patience is how long a test waits for what must come; nothing is measured with it.
const patience = 60 * time.Second

// modelBytes is how much the models of most tests weigh: two shards.
const modelBytes = 1_100_000

// quick is a timing for sites on one machine.
func quick() round.Timing {
	return round.Timing{
		Propose: 200 * time.Millisecond, ProposeCap: 2 * time.Second, Resend: 100 * time.Millisecond, ResendCap: time.Second,
		Head: 200 * time.Millisecond, Deadline: 300 * time.Millisecond, Unavailable: time.Minute, Closing: 10 * time.Second, Retry: 50 * time.Millisecond, Recall: 500 * time.Millisecond,
	}
}

// testSite is a site of a test's mesh.
type testSite struct {
	t       *testing.T
	name    string
	dir     string
	id      peer.ID
	client  *api.Client
	trainer train.Trainer   // nil: the synthetic one
	knows   reduction.Knows // nil: KnownNames
	log     *slog.Logger
	spoil   func(shard int, data []byte)

	node   *Node
	cancel context.CancelFunc
	ended  chan error
}

// newTestMesh founds a mesh of n sites, named a, b, c... edit may change a site's config.yaml. Nothing
// runs yet.
func newTestMesh(t *testing.T, n int, edit func(name, config string) string) []*testSite {
	t.Helper()
	return newFaultyMesh(t, ledger.Byzantine, n, edit)
}

// newFaultyMesh is newTestMesh for a mesh that withstands other faults.
func newFaultyMesh(t *testing.T, faults ledger.Faults, n int, edit func(name, config string) string) []*testSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft") // t.TempDir is too long for a socket under some tests' names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	var sites []*testSite
	var roster []ledger.Site
	for i := range n {
		s := newTestSite(t, dir, string(rune('a'+i)), edit)
		sites = append(sites, s)
		roster = append(roster, ledger.Site{ID: s.id, Name: s.name})
	}
	g, err := ledger.NewGenesis("test", faults, roster, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	g.Under(ledger.Newest, ledger.NewestWeft)
	for _, s := range sites {
		if err := site.Join(s.dir, g); err != nil {
			t.Fatal(err)
		}
	}
	return sites
}

// takesTime is an edit for a run that goes on for as long as a test looks at it: each training takes a while.
func takesTime(_, config string) string {
	return strings.Replace(config, "seed: 1", "seed: 1, time: 300ms", 1)
}

// newTestSite makes a site's directory, in no mesh yet.
func newTestSite(t *testing.T, dir, name string, edit func(name, config string) string) *testSite {
	t.Helper()
	s := &testSite{t: t, name: name, dir: filepath.Join(dir, name), log: slog.New(slog.DiscardHandler)}
	var err error
	if s.id, err = site.Init(s.dir, name); err != nil {
		t.Fatal(err)
	}
	config := "name: " + name + "\nlisten: [/ip4/127.0.0.1/tcp/0]\naccept: auto\ntrainer: {synthetic: {bytes: " + strconv.Itoa(modelBytes) + ", seed: 1}}\n"
	if edit != nil {
		config = edit(name, config)
	}
	if err := os.WriteFile(filepath.Join(s.dir, site.ConfigFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.client = api.Dial(s.dir)
	return s
}

// up starts the site and waits until it answers; others that run are told to it.
func (s *testSite) up(others ...*testSite) {
	s.t.Helper()
	h, err := site.Open(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range others {
		if o != s && o.node != nil {
			h.Config.Bootstrap = append(h.Config.Bootstrap, o.node.Addrs()...)
		}
	}
	if s.node, err = New(h, Options{Timing: quick(), Trainer: s.trainer, Log: s.log, Knows: s.knows, Agent: "weft/1.2-test"}); err != nil {
		s.t.Fatal(err)
	}
	s.node.spoil = s.spoil
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan error, 1)
	n := s.node
	go func() { s.ended <- n.Run(ctx) }()
	s.t.Cleanup(func() { s.down() })
	select {
	case <-n.Ready():
	case err := <-s.ended:
		s.t.Fatalf("site %s: %v", s.name, err)
	case <-time.After(patience):
		s.t.Fatalf("site %s is not ready", s.name)
	}
}

// down ends the site as Ctrl-C does.
func (s *testSite) down() {
	s.t.Helper()
	if s.node == nil {
		return
	}
	s.cancel()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("site %s ended with %v", s.name, err)
		}
	case <-time.After(patience):
		s.t.Fatalf("site %s does not end", s.name)
	}
	s.node = nil
}

func upAll(sites []*testSite) {
	for _, s := range sites {
		s.up(sites...)
	}
}

// await waits until ok says so of the site's status.
func (s *testSite) await(what string, ok func(*api.Status) bool) *api.Status {
	s.t.Helper()
	var last *api.Status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		st, err := s.client.Full(s.t.Context())
		if err != nil {
			s.t.Fatalf("site %s: %v", s.name, err)
		}
		if last = st; ok(st) {
			return st
		}
	}
	for _, r := range last.Runs {
		s.t.Logf("run %s: round %d, %s, updates %v, takes %v", r.Name, r.Round, r.Phase, r.Updates, r.Takes)
	}
	s.t.Fatalf("site %s: %s has not come: height %d, %d up, problem %q", s.name, what, last.Height, last.Up, last.Problem)
	return nil
}

// awaitEvent waits for an event of the site's trace.
func awaitEvent[T trace.Event](s *testSite, what string, ok func(T) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for e, err := range s.client.Events(ctx, 1, true) {
		if err != nil {
			s.t.Fatalf("site %s: %s: %v", s.name, what, err)
		}
		if e, is := e.Event.(T); is && ok(e) {
			return
		}
	}
	s.t.Fatalf("site %s: %s has not come", s.name, what)
}

// runOf returns the status of a run, empty if it is not known yet.
func runOf(st *api.Status, id block.CID) api.RunStatus {
	for _, r := range st.Runs {
		if r.ID == id {
			return r
		}
	}
	return api.RunStatus{}
}

// awaitRounds waits until a run has that many committed rounds whose newest model is held.
func (s *testSite) awaitRounds(run block.CID, rounds int) api.RunStatus {
	s.t.Helper()
	st := s.await(strconv.Itoa(rounds)+" rounds", func(st *api.Status) bool {
		h := runOf(st, run).History
		return len(h) >= rounds && h[len(h)-1].Held
	})
	return runOf(st, run)
}

// start opens a run from an initial model.
func (s *testSite) start(spec ledger.RunSpec) block.CID {
	s.t.Helper()
	spec.Attempts = 1 // who is done early waits for the others
	reply, err := s.client.Start(s.t.Context(), api.RunRequest{Spec: spec, Init: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return reply.Run
}

// export returns the safetensors bytes of an artifact that the site holds.
func (s *testSite) export(c block.CID) []byte {
	s.t.Helper()
	body, err := s.client.Model(s.t.Context(), block.CID{}, c)
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Close()
	data, err := readAll(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

var errTest = errors.New("error of the test")
