package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// mutant is a bug planted into package ledger or round: a text that occurs once in it, and what stands there instead.
type mutant struct {
	name     string
	old, new string
	sites    int    // of the trials that look for it; 0: any
	liar     string // in them; empty: any
}

// mutants are bugs that the trials must find. If one no longer applies, the code has changed: plant it anew.
var mutants = []mutant{
	{"a lock is not kept", "free := h.lockedView < 0 ||", "free := true || h.lockedView < 0 ||", 4, "splitter"},
	{"a vote is not logged before it is sent", "	m.save(Record{Statement: s})\n	m.publish(s, 0)\n	m.trace(Trace{Event: string(kind)", "	m.publish(s, 0)\n	m.trace(Trace{Event: string(kind)", 0, ""},
	{"a restart forgets its votes", "	h.mine[place{s.Kind, view}] = s\n	m.publish", "	m.publish", 0, ""},
	{"a quorum is one too few", "return (len(r.sites)+r.F())/2 + 1", "return (len(r.sites) + r.F()) / 2", 0, ""},
	{"votes of all views count together", "	t := m.height.votes(s.Kind, v.View)\n", "	t := m.height.votes(s.Kind, m.height.view)\n", 0, ""},
	{"a statement's signature is not checked", "	case !verify(s.From, *buf, s.Sig):", "	case false:", 4, ""},
	{"a certificate's signatures are not checked", "		case !verify(v.From, data, v.Sig):", "		case false:", 4, ""},
	{"a commit is voted for without computing it", "		return p.models[b.Seal] == b.Model\n", "		return true\n", 4, ""},
	{"a ground is not judged", "		return m.sameGround(p, r, b.Ground)\n", "		return true\n", 4, "accuser"},
	{"weights are left out", "Weight: s.Updates[i].Weight", "Weight: 1", 0, ""},
	{"a late update is taken against the wrong base", "			list[i].Base = u.Base\n", "", 0, ""},
	{"an update counts twice", "	case u.Round <= r.Counted[s.From]:", "	case false:", 0, ""},
	{"evidence of two views blames the honest", "return v.Height == o.Height && v.View == o.View && v.Entry != o.Entry", "return v.Height == o.Height && v.Entry != o.Entry", 4, "forger"},
	{"early messages are kept without end", "	if of >= maxEarly {", "	if false {", 4, "spammer"},
	{"candidates are kept without end", "		if h.mentions[by] >= maxTold+2*m.roster.Len() {", "		if false {", 4, "spammer"},
	{"a change needs an approval less than a quorum", "	if n := len(c.Approvals); n < l.roster.Quorum() {", "	if n := len(c.Approvals); n+1 < l.roster.Quorum() {", 4, "gatecrasher"},
	{"a joiner's signature is not checked", "	return c.Join.CheckSignature(l.mesh, l.Name(c.Join.From), l.verify)\n", "	return nil\n", 4, "gatecrasher"},
	{"an approval that was taken back counts", "		return m.standsBehind(b)\n", "		return true\n", 4, "gatecrasher"},
	{"the votes of who was removed count", "	case !r.Has(s.From):\n		return fmt.Errorf(\"%s of %s: %w\", s.Kind", "	case false:\n		return fmt.Errorf(\"%s of %s: %w\", s.Kind", 0, "gatecrasher"},
	{"a view does not end", "	case h.precommitBy > 0 && m.now >= h.precommitBy, h.votes", "	case h.votes", 0, ""},
}

// TestMutantsApply: each bug can still be planted.
func TestMutantsApply(t *testing.T) {
	for _, m := range mutants {
		if _, _, err := m.plant(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// plant returns the file that has the bug, and its text.
func (m *mutant) plant() (path string, src []byte, err error) {
	var files []string
	for _, pkg := range []string{"ledger", "round"} {
		in, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
		if err != nil {
			return "", nil, err
		}
		files = append(files, in...)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", nil, err
		}
		if n := bytes.Count(text, []byte(m.old)); n > 0 && !strings.HasSuffix(file, "_test.go") {
			found += n
			path, src = file, bytes.Replace(text, []byte(m.old), []byte(m.new), 1)
		}
	}
	if found != 1 {
		return "", nil, fmt.Errorf("%q occurs %d times in ledger and round", m.old, found)
	}
	return path, src, nil
}

var failedSeed = regexp.MustCompile(`seed (\d+): .*`)

// TestMutants builds this test with each bug in turn and lets the trials look for it: each must be
// found within 2,000 seeds. It takes some minutes; make mutants runs it.
func TestMutants(t *testing.T) {
	if os.Getenv("WEFT_MUTANTS") == "" {
		t.Skip("long: make mutants runs it")
	}
	start := time.Now()
	defer func() { t.Logf("%d bugs in %v", len(mutants), time.Since(start).Round(time.Second)) }()
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			bin := m.build(t)
			out, err := exec.Command(bin, "-test.run", "^TestTrials$", "-seeds", "2000", "-noshrink", fmt.Sprintf("-roster=%v", m.liar == "gatecrasher"), "-sites", fmt.Sprint(m.sites), "-liar", m.liar).CombinedOutput()
			if err == nil {
				t.Fatal("2000 trials have not found it")
			}
			found := failedSeed.FindString(string(out))
			if found == "" {
				t.Fatalf("the trials ended otherwise: %v\n%s", err, out)
			}
			t.Log(found)
		})
	}
}

// build compiles this package's tests with the bug, and returns the program.
func (m *mutant) build(t *testing.T) string {
	t.Helper()
	path, src, err := m.plant()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, overlay, bin := filepath.Join(dir, filepath.Base(path)), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {abs: file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, src, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}
