package main

import (
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weft-mesh/weft/node/api"
)

// TestRosterPage types docs/roster.md as it is printed, but for the ports, then kills all nodes at once and starts them again: each
// still knows who is a site.
func TestRosterPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts five nodes")
	}
	t.Parallel()
	dir := t.TempDir()
	terminals := map[string]*terminal{}
	list := page(t, "roster.md")
	typePage(t, terminals, dir, list)
	for _, c := range []struct{ terminal, want string }{
		{"hospital-a", "1 more needed"}, {"hospital-b", "adds site hospital-d: 4 sites, a quorum is 3"}, {"hospital-b", "gives another key"},
		{"hospital-b", "verified"}, {"hospital-c", "removes site hospital-d: 3 sites, a quorum is 2"}, {"hospital-d", "was removed from the mesh's roster"},
	} {
		if out := terminals[c.terminal].text(); !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in\n%s", c.terminal, c.want, out)
		}
	}
	for name, s := range terminals {
		if strings.HasSuffix(name, " node") {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			<-s.done
		}
	}
	for _, c := range list {
		if !c.starts() || c.terminal == "hospital-c node" { // whose key is no site's any more
			continue
		}
		s := openTerminal(t, c.terminal, dir)
		terminals[c.terminal] = s
		if _, err := io.WriteString(s.in, c.text); err != nil {
			t.Fatal(err)
		}
		s.until(t, 0, "site is up")
	}
	for _, site := range []string{"a", "b", "c2"} {
		awaitStatus(t, filepath.Join(dir, site), func(s *api.Status) bool { return s.Up == 3 && s.Sites == 3 && !s.Observes && s.Height == 3 })
	}
	awaitStatus(t, filepath.Join(dir, "d"), func(s *api.Status) bool { return s.Observes && s.Height == 3 })
	for name, s := range terminals {
		if strings.HasSuffix(name, " node") && name != "hospital-c node" {
			s.stop(t)
		}
	}
}

func awaitStatus(t *testing.T, dir string, ok func(*api.Status) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		s, err := api.Dial(dir).Full(t.Context())
		if err == nil && ok(s) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %+v, %v", dir, s, err)
		}
	}
}
