package nodetest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/trace"
)

// await lets time pass until ok says so, and fails the test with what each site says if that takes too long.
func (c *churn) await(what string, most time.Duration, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(most); !ok(); time.Sleep(turn) {
		if time.Now().After(end) {
			c.dump()
			c.t.Fatalf("%s: not within %s", what, most)
		}
	}
}

func (c *churn) status(s *Site) api.Status {
	return fullStatus(c.t, s.Node)
}

// fullStatus returns a node's status with all rounds of all runs.
func fullStatus(t testing.TB, n *node.Node) api.Status {
	t.Helper()
	st, err := n.Site().Status(t.Context())
	if err != nil {
		t.Fatalf("site %s: %v", n.ID(), err)
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		all, err := n.Site().Rounds(t.Context(), r.ID, 1, api.MaxRounds)
		if err != nil {
			t.Fatalf("site %s: %v", n.ID(), err)
		}
		r.History, r.Figures, r.Cross = all.Rounds, all.Figures, all.Cross
	}
	return st
}

// history returns the committed rounds as a site sees them.
func (c *churn) history(s *Site) []api.RoundStatus {
	st := c.status(s)
	for _, r := range st.Runs {
		if r.ID == c.run {
			return r.History
		}
	}
	return nil
}

// rounds returns how many rounds some site has seen committed.
func (c *churn) rounds() (most uint64) {
	for _, s := range c.m.Up() {
		most = max(most, uint64(len(c.history(s))))
	}
	return most
}

// same reports whether all sites have the same head and hold the last model.
func (c *churn) same() bool {
	first := c.status(c.m.Sites[0])
	for _, s := range c.m.Sites {
		h := c.history(s)
		if len(h) == 0 || !h[len(h)-1].Held || c.status(s).Head != first.Head {
			return false
		}
	}
	return true
}

// look asks a site what it thinks of the others, before that is forgotten: all are honest.
func (c *churn) look(s *Site) {
	for _, p := range s.Node.Site().Peers() {
		if p.Rejected > 0 {
			c.t.Errorf("site %s rejected %d messages of %s", s, p.Rejected, p.Site)
		}
	}
	if named := c.status(s).Named; len(named) > 0 {
		c.t.Errorf("site %s names %v as having signed twice", s, named)
	}
}

// inspect compares what the sites hold, entry by entry and model by model, and takes them down to verify what is on their disks.
func (c *churn) inspect() {
	want := c.history(c.m.Sites[0])
	for _, s := range c.m.Sites {
		c.look(s)
		if got := c.history(s); !slices.EqualFunc(got, want, func(a, b api.RoundStatus) bool { return a.Model == b.Model && a.Seal == b.Seal }) {
			c.t.Errorf("site %s has other rounds than %s:\n%+v\n%+v", s, c.m.Sites[0], got, want)
		}
	}
	var head *archive.Report
	for _, s := range c.m.Sites {
		s.Stop()
		r, err := archive.Verify(s.Dir)
		if err != nil {
			c.t.Errorf("site %s: %v", s, err)
			continue
		}
		if head == nil {
			head = r
		}
		if r.Head != head.Head {
			c.t.Errorf("site %s ends at %s, %s at %s", s, r.Head, c.m.Sites[0], head.Head)
		}
		c.readTrace(s)
		if c.t.Failed() {
			c.warnings(s)
		}
	}
}

// bad are the events that no honest site gives another a reason for.
var bad = []trace.Kind{"rejected", "dropped", "equivocation", "fork", "diverged", "bad input", "bad update", "bad model", "corrupt", "log lost", "train failed"}

// readTrace looks for such events in a site's trace, which goes on over its restarts.
func (c *churn) readTrace(s *Site) {
	f, err := os.Open(filepath.Join(s.Dir, "trace.jsonl"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e api.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			c.t.Errorf("site %s: trace: %v: %s", s, err, lines.Bytes())
		} else if slices.Contains(bad, e.Kind()) {
			c.t.Errorf("site %s: %s", s, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		c.t.Errorf("site %s: trace: %v", s, err)
	}
}

// dump says where each site stands.
func (c *churn) dump() {
	for _, s := range c.m.Sites {
		if s.Node == nil {
			c.t.Logf("site %s is down", s)
			continue
		}
		st := c.status(s)
		for _, r := range st.Runs {
			held := len(r.History) > 0 && r.History[len(r.History)-1].Held
			c.t.Logf("site %s: height %d, head %s, %d up, round %d %s, updates of %d, newest model held: %t, problem %q",
				s, st.Height, st.Head.Short(), st.Up, r.Round, r.Phase, len(r.Updates), held, st.Problem)
		}
		c.warnings(s)
	}
}

// warnings shows the last of what a site has warned of.
func (c *churn) warnings(s *Site) {
	log, err := os.ReadFile(s.Dir + ".log")
	if err != nil {
		c.t.Error(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	for _, line := range lines[max(0, len(lines)-10):] {
		c.t.Logf("site %s: %s", s, strings.TrimSpace(line))
	}
}
