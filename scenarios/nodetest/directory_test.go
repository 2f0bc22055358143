package nodetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
)

var rewrite = flag.Bool("rewrite", false, "write what this program finds in testdata's directories anew")

// directory1 is what the program that its README names has left on a disk.
const directory1 = "../../testdata/directory-1"

// found is what a node finds in a directory when it starts there.
type found struct {
	Height uint64          `json:"height"`
	Head   block.CID       `json:"head"`
	Runs   []api.RunStatus `json:"runs"`
	Roster api.Roster      `json:"roster"`
}

// A node starts on an older program's directory: it has its ledger, history, roster and what operators have
// said of it, keeps every record of the log and every artifact, and the directory verifies afterwards.
func TestDirectoryStarts(t *testing.T) {
	dir := Unpack(t, directory1+"/site.tar.gz")
	log, held := readFile(t, filepath.Join(dir, "log")), artifacts(t, dir)
	before, err := archive.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got *found
	processors := runtime.GOMAXPROCS(1) // as in weather
	t.Cleanup(func() { runtime.GOMAXPROCS(processors) })
	synctest.Test(t, func(t *testing.T) { got = start(t, dir) })
	golden(t, "found.json", encode(t, got))

	if got.Height != before.Height || got.Head != before.Head {
		t.Errorf("the node is at height %d, %s; the directory verifies to %d, %s", got.Height, got.Head, before.Height, before.Head)
	}
	after, err := archive.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(encode(t, after)) != string(encode(t, before)) {
		t.Errorf("the ledger verifies to\n%s\nbefore\n%s", encode(t, after), encode(t, before))
	}
	if !bytes.HasPrefix(readFile(t, filepath.Join(dir, "log")), log) {
		t.Error("the log does not begin with what was in it")
	}
	if left := artifacts(t, dir); !slices.Equal(left, held) {
		t.Errorf("%d artifacts are left of %d:\n%v\n%v", len(left), len(held), left, held)
	}
	recomputed(t, dir)
}

// start runs a node alone for a minute and returns what it has.
func start(t *testing.T, dir string) *found {
	h, err := site.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	net := NewNet(1)
	t.Cleanup(net.Close)
	h.Config.Listen = []string{net.addr(3)}
	n, err := node.New(h, node.Options{Log: slog.New(slog.DiscardHandler), Network: net.join(3, Line{Bits: 100e6}), NoAPI: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}()
	select {
	case <-n.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the node does not start: %v", err)
	}
	time.Sleep(time.Minute)
	st := fullStatus(t, n)
	r, err := n.Site().Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &found{st.Height, st.Head, st.Runs, r}
}

// recomputed checks that every model still comes out of the updates that are kept.
func recomputed(t *testing.T, dir string) {
	t.Helper()
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Recompute(t.Context(), block.CID{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Models {
		if m.Recomputed == nil || m.Recomputed.Outcome != archive.Same {
			t.Errorf("round %d: %+v", m.Round, m.Recomputed)
		}
	}
}

// A machine that is handed an older program's log says again what the site has said, its votes at the undecided
// height among it, with the very same signatures.
func TestDirectorySays(t *testing.T) {
	dir := Unpack(t, directory1+"/site.tar.gz")
	h, err := site.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := round.New(round.Config{
		Self: h.ID, Genesis: h.Genesis, Timing: round.DefaultTiming(), Verify: checkSignature,
		Sign: func(data []byte) []byte {
			sig, err := h.Key.Sign(data)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]bool{}
	var lock *consensus.Lock
	for _, r := range records(t, readFile(t, filepath.Join(dir, "log"))) {
		if err := m.Restore(r); err != nil {
			t.Fatal(err)
		}
		if r.Statement != nil {
			logged[says(r.Statement)] = true
		}
		if r.Lock != nil {
			lock = r.Lock
		}
	}
	if height := m.Ledger().Height() + 1; lock == nil || lock.Height != height {
		t.Errorf("the last lock is %+v, want one at height %d", lock, height)
	}
	said := hear(m, h.ID)
	var lines []string
	for line := range said {
		mark := "made now"
		if logged[line] {
			mark = "from the log"
		}
		lines = append(lines, line+" "+mark+"\n")
	}
	slices.Sort(lines)
	golden(t, "says.txt", []byte(strings.Join(lines, "")))
}

// hear lets two minutes pass in which a site is connected with all others, and returns what it says.
func hear(m *round.Machine, self peer.ID) map[string]bool {
	said := map[string]bool{}
	step := func(at time.Duration, ev round.Event) {
		m.Step(at, ev)
		for _, s := range m.Ready().Send {
			if st := s.Message.Statement; st != nil && st.From == self {
				said[says(st)] = true
			}
		}
	}
	for _, s := range m.Ledger().Roster().ByName() {
		if s.ID != self {
			step(0, round.Connected{Peer: s.ID})
		}
	}
	for at := time.Duration(0); at < 2*time.Minute; at += time.Second {
		step(at, round.Alarm{})
	}
	return said
}

// says names a statement by its kind, body and signature.
func says(s *ledger.Signed) string {
	return fmt.Sprintf("%-10s %s %x", s.Kind, block.Sum(block.DagCBOR, s.Body), s.Sig[:8])
}

func checkSignature(from peer.ID, data, sig []byte) bool {
	key, err := from.ExtractPublicKey()
	if err != nil {
		return false
	}
	ok, err := key.Verify(data, sig)
	return ok && err == nil
}

// records reads the frames of a log by hand, so that the test does not depend on the program's own reader.
func records(t *testing.T, log []byte) (list []round.Record) {
	t.Helper()
	const magic = "weftlog1"
	if !bytes.HasPrefix(log, []byte(magic)) {
		t.Fatal("not a log")
	}
	for log = log[len(magic):]; len(log) > 0; {
		frame := log[8 : 8+binary.LittleEndian.Uint32(log)]
		log = log[8+len(frame):]
		for len(frame) > 0 {
			data := frame[4 : 4+binary.LittleEndian.Uint32(frame)]
			frame = frame[4+len(data):]
			r, err := round.DecodeRecord(data)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
	}
	return list
}

// artifacts lists the files of models and updates.
func artifacts(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := fs.ReadDir(os.DirFS(dir), "store/artifacts")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(directory1, name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s\nwant\n%s", name, got, want)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
