package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/trace"
)

// writeModel writes a safetensors file of one F32 tensor.
func writeModel(t *testing.T, elements ...uint32) string {
	t.Helper()
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{uint64(len(elements))}}}}
	data := l.SafetensorsHeader()
	for _, e := range elements {
		data = binary.LittleEndian.AppendUint32(data, e)
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const one, infinity = 0x3f800000, 0x7f800000

// One site, which is a quorum of itself, answers every call, and refuses what is wrong with a hint.
func TestAPI(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 1, nil)
	s := sites[0]
	ctx := t.Context()
	if err := os.WriteFile(filepath.Join(s.dir, api.SocketName), nil, 0o600); err != nil { // left by a crash
		t.Fatal(err)
	}
	s.up()
	if info, err := os.Stat(filepath.Join(s.dir, api.SocketName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}

	path := writeModel(t, one, 0, one)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := s.client.Start(ctx, api.RunRequest{Spec: ledger.RunSpec{Name: "own model", Rounds: 1}, Model: path})
	if err != nil {
		t.Fatal(err)
	}
	r := s.awaitRounds(reply.Run, 1)
	if r.Spec.By != s.id || r.Spec.Rule != "fedavg" || r.Phase != api.PhaseDone {
		t.Errorf("run %+v", r)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the operator's file was touched: %v", err)
	}
	model := s.export(r.History[0].Model)
	if h, err := tensor.ReadHeader(bytes.NewReader(model), int64(len(model))); err != nil || len(h.Tensors) != 1 {
		t.Errorf("model: %+v, %v", h, err)
	}

	entries, err := s.client.Ledger(ctx, 2, 1)
	if err != nil || len(entries) != 1 || entries[0].Height != 2 || entries[0].Kind != "seal" || entries[0].Run != "own model" || !reflect.DeepEqual(entries[0].Signers, []string{"a"}) {
		t.Fatalf("ledger: %+v, %v", entries, err)
	}
	if entries[0].Summary != "seals round 1: a" || entries[0].Entry.CID() != entries[0].CID || entries[0].Certificate.Entry != entries[0].CID {
		t.Errorf("entry: %+v", entries[0])
	}
	for _, id := range []block.CID{entries[0].CID, block.Of(entries[0].Certificate).CID, r.Base, r.Spec.Layout} {
		if data, err := s.client.Block(ctx, id); err != nil || id.Verify(data) != nil {
			t.Errorf("block %s: %v", id, err)
		}
	}
	if peers, err := s.client.Peers(ctx); err != nil || len(peers) != 0 {
		t.Errorf("peers: %v, %v", peers, err)
	}
	seen := map[trace.Kind]bool{}
	for ev, err := range s.client.Events(ctx, 1, false) {
		if err != nil || ev.Site != "a" || ev.Seq == 0 || ev.Time.IsZero() {
			t.Fatalf("event %+v, %v", ev, err)
		}
		seen[ev.Kind()] = true
	}
	if !seen["decide"] || !seen["train"] {
		t.Errorf("events %v", seen)
	}
	testRefusals(t, s, reply.Run)
	testOpenAPI(t, s, reply.Run)
	testStream(t, s)
}

// rawCall is a call that no client makes; it returns the refusal.
func rawCall(ctx context.Context, dir, method, path, body string) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, api.SocketName))
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://weft"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var refused api.Error
	if err := json.NewDecoder(resp.Body).Decode(&refused); err != nil || resp.StatusCode < 400 {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	return &refused
}

func testRefusals(t *testing.T, s *testSite, done block.CID) {
	ctx := t.Context()
	model := writeModel(t, one)
	start := func(req api.RunRequest) func() error {
		return func() error {
			_, err := s.client.Start(ctx, req)
			return err
		}
	}
	raw := func(method, path, body string) func() error {
		return func() error { return rawCall(ctx, s.dir, method, path, body) }
	}
	spec := ledger.RunSpec{Name: "x", Rounds: 1}
	by := spec
	by.By = s.id
	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"no model", start(api.RunRequest{Spec: spec}), "exactly one of model, init and from"},
		{"two models", start(api.RunRequest{Spec: spec, Init: true, Model: model}), "exactly one of model, init and from"},
		{"relative path", start(api.RunRequest{Spec: spec, Model: "model.safetensors"}), "is a relative path"},
		{"no file", start(api.RunRequest{Spec: spec, Model: model + "x"}), "no such file"},
		{"no name", start(api.RunRequest{Spec: ledger.RunSpec{Rounds: 1}, Model: model}), "name: want 1 to 64 bytes"},
		{"no rounds", start(api.RunRequest{Spec: ledger.RunSpec{Name: "x"}, Model: model}), "rounds: 0, want 1 to"},
		{"of someone", start(api.RunRequest{Spec: by, Model: model}), "for the node to fill in"},
		{"not finite", start(api.RunRequest{Spec: spec, Model: writeModel(t, one, infinity)}), "not finite"},
		{"no safetensors", start(api.RunRequest{Spec: spec, Model: filepath.Join(s.dir, site.ConfigFile)}), "safetensors"},
		{"consent to nothing", func() error { return s.client.Consent(ctx, testCID(block.DagCBOR, "x"), api.Consent{}) }, "no run"},
		{"consent too late", func() error { return s.client.Consent(ctx, done, api.Consent{}) }, `run "own model" is over`},
		{"stop too late", func() error { return s.client.Stop(ctx, done, api.Stop{}) }, "is over"},
		{"no such block", func() error { _, err := s.client.Block(ctx, testCID(block.Raw, "x")); return err }, "not held"},
		{"no such model", func() error { _, err := s.client.Model(ctx, block.CID{}, testCID(block.DagCBOR, "x")); return err }, "keep_models"},
		{"no such call", raw("GET", "/v2/status", ""), "no such call"},
		{"no CID", raw("GET", "/v1/blocks/x", ""), "cid: not a CID"},
		{"no number", raw("GET", "/v1/ledger?from=-1", ""), "not a whole number"},
		{"unknown field", raw("POST", "/v1/runs", `{"speck":1}`), `unknown field "speck"`},
		{"large body", raw("POST", "/v1/runs", `"`+strings.Repeat("x", 1<<20)+`"`), "more than"},
	} {
		err := c.call()
		var refused *api.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if st, err := s.client.Status(ctx); err != nil || len(st.Runs) != 1 || len(s.node.store.Artifacts()) != 2 { // the model and what it began with
		t.Errorf("refused requests left something: %+v, %v, %v", st, s.node.store.Artifacts(), err)
	}
}

// Following the trace ends with the node.
func TestEventsEndWithNode(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	ended := make(chan int, 1)
	begun := make(chan struct{}, 1)
	go func() {
		n := 0
		for range s.client.Events(t.Context(), 1, true) {
			if n++; n == 1 {
				begun <- struct{}{}
			}
		}
		ended <- n
	}()
	s.start(ledger.RunSpec{Name: "events", Rounds: 1})
	<-begun
	s.down()
	if n := <-ended; n == 0 {
		t.Error("no events")
	}
}

func TestDial(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	if _, err := api.Dial(long).Status(t.Context()); !errors.Is(err, api.ErrSocketPath) {
		t.Errorf("long path: %v", err)
	}
	if err := api.CheckSocketPath(filepath.Join(long, api.SocketName)); err == nil || !strings.Contains(err.Error(), "hint: move the site's directory") {
		t.Errorf("long path: %v", err)
	}
	dir, err := os.MkdirTemp("", "weft")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := api.Dial(dir).Status(t.Context()); !errors.Is(err, api.ErrNotRunning) || !strings.Contains(err.Error(), "weft up") {
		t.Errorf("no node: %v", err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, api.SocketName)) // something else answers
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = srv.Serve(l) }() // ends with Close
	defer srv.Close()
	var refused *api.Error
	if _, err := api.Dial(dir).Status(t.Context()); !errors.As(err, &refused) || !strings.Contains(err.Error(), "404") {
		t.Errorf("another server: %v", err)
	}
}

// testNode returns a node of one site that has only what describing a run needs.
func testNode(t testing.TB) *Node {
	key, id := testKey(t, 1)
	g, err := ledger.NewGenesis("test", ledger.Byzantine, []ledger.Site{{ID: id, Name: "a"}}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(&site.Home{Dir: "/nowhere", Config: config.Default("a"), Key: key, ID: id, Genesis: g}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func FuzzRunRequest(f *testing.F) {
	n := testNode(f)
	o := &operator{home: n.home, mesh: n.mesh, views: n.views, knows: reduction.KnownNames, programs: n.programs}
	for _, r := range []api.RunRequest{{Spec: ledger.RunSpec{Name: "x", Rounds: 1}, Init: true}, {Spec: ledger.RunSpec{Name: "x", Late: "carry"}, Model: "/m"}} {
		b, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"spec":{"name":"x","rounds":1,"by":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r api.RunRequest
		if json.Unmarshal(data, &r) != nil {
			return
		}
		spec, err := o.describe(r)
		if err != nil {
			var refused *api.Refusal
			if !errors.As(err, &refused) || refused.Body.Message == "" {
				t.Errorf("refused with %v", err)
			}
			return
		}
		spec.Base, spec.Layout = testCID(block.DagCBOR, "b"), testCID(block.DagCBOR, "l")
		if err := spec.Validate(n.views.now().roster, n.views.now().protocol.Number); err != nil {
			t.Errorf("described a run that is not valid: %v", err)
		}
	})
}

// A program that runs a node in itself may have it without the local API.
func TestNoAPI(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	h, err := site.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(h, Options{Timing: quick(), Log: s.log, NoAPI: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.Ready()
	if st, err := n.Site().Status(t.Context()); err != nil || st.Up != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if _, err := s.client.Status(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("the API answers: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
