package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
)

// previousFile names the commit from which the older program is built.
const previousFile = "../../testdata/previous"

// previousBinary builds the program of the commit in testdata/previous, or of the one in WEFT_PREVIOUS, from this repository's
// history. Where it cannot, the test is skipped; with WEFT_TEST_ALL=1 it fails.
func previousBinary(t *testing.T) string {
	t.Helper()
	missing := t.Skip
	if os.Getenv("WEFT_TEST_ALL") == "1" {
		missing = t.Fatal
	}
	commit := os.Getenv("WEFT_PREVIOUS")
	if commit == "" {
		data, err := os.ReadFile(previousFile)
		if err != nil {
			missing("no older program to test with: testdata/previous names none, and WEFT_PREVIOUS is not set")
		}
		commit = strings.TrimSpace(string(data))
	}
	dir := t.TempDir()
	archive := exec.Command("git", "-C", "../..", "archive", commit)
	var why bytes.Buffer
	archive.Stderr = &why
	sources, err := archive.Output()
	if err != nil {
		missing(fmt.Sprintf("this history lacks commit %s, from which the older program is built (a shallow clone?): %v: %s", commit, err, &why))
	}
	unpack := exec.Command("tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(sources)
	if out, err := unpack.CombinedOutput(); err != nil {
		missing(fmt.Sprintf("unpack commit %s: %v: %s", commit, err, out))
	}
	binary := filepath.Join(dir, "weft-previous")
	// With -trimpath the build cache knows packages wherever they were unpacked.
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/weft")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build commit %s: %v\n%s", commit, err, out)
	}
	return binary
}

// TestVersions runs meshes of two versions, which must train together as those of one do: nobody refuses what another says.
func TestVersions(t *testing.T) {
	if os.Getenv("WEFT_TEST_ALL") != "1" && os.Getenv("WEFT_PREVIOUS") == "" {
		t.Skip("builds an older program: WEFT_TEST_ALL=1")
	}
	t.Parallel()
	previous := previousBinary(t)
	for _, opener := range []string{"old", "new"} {
		t.Run(opener+" opener", func(t *testing.T) {
			t.Parallel()
			m := mixedMesh(t, previous, opener)
			trainTogether(t, m.Nodes, "mixed", 3)
			nobodyRefused(t, m.Nodes)
			if opener == "new" { // whose node has heard what the others know
				_, err := m.Nodes[0].Client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "clipped", Rounds: 1, Rule: "clip"}, Init: true})
				if err == nil || !strings.Contains(err.Error(), "which does not know what this run asks for") {
					t.Errorf("a run that two sites cannot follow: %v", err)
				}
			}
			removeLast(t, m.Nodes)
			stay := m.Nodes[:3]
			for _, n := range stay[1:] { // one of each version
				if err := n.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range stay[1:] {
				if err := errors.Join(n.Start(), n.Ready(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			trainTogether(t, stay, "after the kills", 2)
			nobodyRefused(t, stay)
			for _, n := range m.Nodes {
				if err := n.Stop(); err != nil {
					t.Error(err)
				}
			}
			for _, exe := range []string{previous, "weft"} {
				for _, n := range m.Nodes {
					if out, err := exec.Command(exe, "verify", n.Dir).CombinedOutput(); err != nil {
						t.Errorf("%s: %v\n%s", n.Name, err, out)
					}
				}
			}
		})
	}
}

// trainTogether has the first of some nodes open a run, which must end at all of them with the same models.
func trainTogether(t *testing.T, nodes []*local.Node, name string, rounds uint64) {
	t.Helper()
	reply, err := nodes[0].Client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: name, Rounds: rounds}, Init: true})
	if err != nil {
		t.Fatal(err)
	}
	var models []string
	for _, n := range nodes {
		r := awaitEnd(t, n, reply.Run.String())
		var own []string
		for _, h := range r.History {
			own = append(own, h.Model.String())
		}
		if models == nil {
			models = own
		}
		if len(own) != int(rounds) || !slices.Equal(own, models) {
			t.Errorf("%s has the models %v, %s %v", n.Name, own, nodes[0].Name, models)
		}
	}
}

// nobodyRefused checks that no node has refused a message of another, and all are connected.
func nobodyRefused(t *testing.T, nodes []*local.Node) {
	t.Helper()
	for _, n := range nodes {
		for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			peers, err := n.Client.Peers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			away := ""
			for _, p := range peers {
				if !slices.ContainsFunc(nodes, func(o *local.Node) bool { return o.Name == p.Site }) {
					continue
				}
				if p.Rejected > 0 {
					t.Errorf("%s has refused %d messages of %s", n.Name, p.Rejected, p.Site)
				}
				if !p.Connected {
					away = p.Site
				}
			}
			if away == "" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not connected with %s", n.Name, away)
			}
		}
	}
}

// removeLast has the other sites remove the last one from the roster. The first takes its approval back meanwhile, and gives it again.
func removeLast(t *testing.T, nodes []*local.Node) {
	t.Helper()
	last, stay := nodes[len(nodes)-1], nodes[:len(nodes)-1]
	ask := func(n *local.Node, req api.ChangeRequest) api.RosterChange {
		change, err := n.Client.ChangeRoster(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", n.Name, err)
		}
		return change
	}
	change := ask(stay[0], api.ChangeRequest{Remove: last.Name})
	ask(stay[0], api.ChangeRequest{Withdraw: change.ID.String()})
	for _, n := range stay {
		ask(n, api.ChangeRequest{Remove: last.Name})
	}
	for _, n := range nodes {
		awaitStatus(t, n.Dir, func(s *api.Status) bool { return s.Sites == len(stay) })
	}
}

// mixedMesh starts four sites, two of them with each program; that of the first is named.
func mixedMesh(t *testing.T, previous, first string) *local.Mesh {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-versions-") // t.TempDir's paths are too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	c := local.Config{Exe: "weft", Dir: dir, Name: "versions", Faults: ledger.Byzantine, First: true}
	for i := range 4 {
		s := local.Site{Name: fmt.Sprintf("site-%d", i+1), Trainer: "{synthetic: {bytes: 300kB, time: 200ms}}"}
		if old := i%2 == 0 == (first == "old"); old {
			s.Start = func(cmd *exec.Cmd) error {
				cmd.Path, cmd.Args[0] = previous, previous
				return cmd.Start()
			}
		}
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
			t.Logf("the sites' directories stay in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	for _, n := range m.Nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range m.Nodes {
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// awaitEnd waits until a site has seen the end of a run.
func awaitEnd(t *testing.T, n *local.Node, run string) *api.RunStatus {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := n.Check(); err != nil {
			t.Fatal(err)
		}
		s, err := n.Client.Full(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", n.Name, err)
		}
		if r := findRun(s, run); r != nil && r.Phase == api.PhaseDone {
			return r
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not see the end of the run: %+v", n.Name, s)
		}
	}
}
