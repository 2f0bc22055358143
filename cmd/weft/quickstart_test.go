package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
)

// command is a block of a page of docs and the terminal it is typed in.
type command struct {
	terminal string
	text     string
}

// page returns the blocks for shells of a page of docs.
func page(t *testing.T, name string) (list []command) {
	t.Helper()
	f, err := os.Open("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		terminal, ok := strings.CutPrefix(in.Text(), "```sh ")
		if !ok {
			continue
		}
		c := command{terminal: terminal}
		for in.Scan() && in.Text() != "```" {
			line := listens.ReplaceAllStringFunc(in.Text(), func(string) string { return freeAddress(t) })
			c.text += steps.ReplaceAllString(line, "steps: 3") + "\n"
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		t.Fatal("the page has no commands")
	}
	return list
}

// listens is where a page's command says which port a site listens on.
var listens = regexp.MustCompile(`/ip4/127\.0\.0\.1/tcp/\d+`)

// steps is how many steps a page's run trains in a round: more than its commands need to be shown.
var steps = regexp.MustCompile(`steps: \d+`)

// freeAddress returns one that nobody listens on: a machine that runs the tests may run a node too, on the port that
// the page names.
func freeAddress(t *testing.T) string {
	ports, err := local.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return local.Loopback(ports[0])
}

// terminal is a shell that stays open, as a person's does.
type terminal struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // closed when the shell has ended

	mu   sync.Mutex
	out  bytes.Buffer
	more chan struct{} // gets a token when out grew
}

func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.out.Write(p)
}

func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func openTerminal(t *testing.T, name, dir string) *terminal {
	t.Helper()
	s := &terminal{name: name, done: make(chan struct{}), more: make(chan struct{}, 1)}
	s.cmd = exec.Command("bash", "--noprofile", "--norc", "-e")
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	s.cmd.Stdout, s.cmd.Stderr = s, s
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // how it went is in its output
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
		if t.Failed() {
			t.Logf("terminal %s:\n%s", name, s.text())
		}
	})
	return s
}

// until waits until the output after from holds text.
func (s *terminal) until(t *testing.T, from int, text string) {
	t.Helper()
	limit := time.After(3 * time.Minute)
	for !strings.Contains(s.text()[from:], text) {
		select {
		case <-s.more:
		case <-s.done:
			t.Fatalf("%s: the shell has ended without %q", s.name, text)
		case <-limit:
			t.Fatalf("%s: no %q in time", s.name, text)
		}
	}
}

// TestQuickstart types docs/quickstart.md as it is printed, but for the ports and the number of steps: three sites, six terminals.
func TestQuickstart(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model")
	}
	t.Parallel()
	terminals := map[string]*terminal{}
	typePage(t, terminals, t.TempDir(), page(t, "quickstart.md"))
	for _, site := range []string{"hospital-a", "hospital-b", "hospital-c"} {
		if out := terminals[site+" node"].text(); strings.Contains(out, "warning") {
			t.Errorf("%s warns:\n%s", site, out)
		}
	}
	if out := terminals["hospital-a"].text(); !strings.Contains(out, "longer") || !strings.Contains(out, "3 of 3 sites up") {
		t.Errorf("hospital-a:\n%s", out)
	}
	if out := terminals["hospital-c"].text(); strings.Count(out, "verified") != 2 {
		t.Errorf("hospital-c:\n%s", out)
	}
	for _, site := range []string{"hospital-a", "hospital-b", "hospital-c"} {
		terminals[site+" node"].stop(t)
	}
}

// typePage types the blocks of a page, each in its terminal, in a directory.
func typePage(t *testing.T, terminals map[string]*terminal, dir string, list []command) {
	t.Helper()
	for i, c := range list {
		s := terminals[c.terminal]
		if s == nil {
			s = openTerminal(t, c.terminal, dir)
			terminals[c.terminal] = s
		}
		from := len(s.text())
		text := c.text
		done := "site is up"
		if !c.starts() {
			done = fmt.Sprintf("done %d of the page", i)
			text += fmt.Sprintf("printf 'done %%d of the page\\n' %d\n", i)
		}
		// -e ends the shell at the first failure; its output then ends before the mark.
		if _, err := io.WriteString(s.in, text); err != nil {
			t.Fatalf("%s: %v", c.terminal, err)
		}
		s.until(t, from, done)
		if strings.Contains(c.text, "--wait") {
			sameHeight(t, dir)
		}
	}
}

// sameHeight waits until the nodes that run have decided as much, as they have by the time that a person types on: what is asked for
// at a site that is behind is void a moment later.
func sameHeight(t *testing.T, dir string) {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(dir, "*", api.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		heights := map[uint64]bool{}
		for _, socket := range sockets {
			if s, err := api.Dial(filepath.Dir(socket)).Status(t.Context()); err == nil && !s.Observes {
				heights[s.Height] = true
			}
		}
		if len(heights) <= 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the sites are at the heights %v", heights)
		}
	}
}

// starts reports whether the block starts a node, which keeps its terminal.
func (c *command) starts() bool { return strings.HasSuffix(c.terminal, " node") }

// stop ends the node of a terminal as Ctrl-C does.
func (s *terminal) stop(t *testing.T) {
	t.Helper()
	from := len(s.text())
	// The shell is in the group too: it ignores what ends the node.
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Error(err)
	}
	s.until(t, from, "stopped")
}
