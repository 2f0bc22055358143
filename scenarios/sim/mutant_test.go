package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// mutant is a bug planted into a function: a text that occurs once in its body, and what stands there
// instead. The function may be in any file of its package.
type mutant struct {
	name     string
	pkg      string // folder of the package, from the module's root
	function string // checkVotes, or (*Machine).prevote
	old, new string
	sites    int    // of the trials that look for it; 0: any
	liar     string // in them; empty: any
}

// mutants are bugs that the trials must find. If one no longer applies, the code has changed: plant it anew.
var mutants = []mutant{
	{"a lock is not kept", "consensus", "(*Agreement).prevote", "free := h.lockedView < 0 ||", "free := true || h.lockedView < 0 ||", 4, "splitter"},
	{"a vote is not logged before it is sent", "consensus", "(*Agreement).voteIn", "	a.out.Save(s)\n", "", 0, ""},
	{"a restart forgets its votes", "consensus", "(*height).resume", "	h.mine[place{s.Kind, view}] = s\n", "", 0, ""},
	{"a quorum is one too few", "ledger", "(*Roster).Quorum", "return (len(r.sites)+r.F())/2 + 1", "return (len(r.sites) + r.F()) / 2", 0, ""},
	{"votes of all views count together", "consensus", "(*Agreement).addVote", "a.height.votes(s.Kind, v.View)", "a.height.votes(s.Kind, a.height.view)", 0, ""},
	{"a statement's signature is not checked", "ledger", "(*Signed).VerifyIn", "case !verify(s.From, *buf, s.Sig):", "case false:", 4, ""},
	{"a certificate's signatures are not checked", "ledger", "checkVotes", "case !verify(v.From, data, v.Sig):", "case false:", 4, ""},
	{"a commit is voted for without computing it", "round/runs", "(*Runs).Holds", "return made && own == committedResult(b)\n", "return true || made && own == committedResult(b)\n", 4, ""},
	{"a state is voted for without computing it", "round/runs", "(*Runs).Holds", "own == committedResult(b)\n", "own.model == b.Model\n", 4, "broken"},
	{"a ground is not judged", "round/runs", "(*Runs).Agrees", "return p.sameGround(b.Ground)\n", "return true\n", 4, "accuser"},
	{"weights are left out", "ledger", "(*Run).Inputs", "Weight: s.Updates[i].Weight", "Weight: 1", 0, ""},
	{"a late update is taken against the wrong base", "ledger", "(*Run).Inputs", "list[i].Base = u.Base\n", "", 0, ""},
	{"samples are believed", "ledger", "(*Ledger).Weights", "weights[i] = min(weights[i], most)", "weights[i] = max(weights[i], most-most)", 0, "boaster"},
	{"a late update is carried over where it is to be averaged", "ledger", "(*Run).Inputs", "u.Round != s.Round && r.Spec.Late == Carry", "u.Round != s.Round", 0, ""},
	{"an update counts twice", "ledger", "(*Ledger).Staleness", "case u.Round <= r.Counted[s.From]:", "case false:", 0, ""},
	{"evidence of two views blames the honest", "ledger", "(*Vote).Excludes", "v.Height == o.Height && v.View == o.View && v.Entry != o.Entry", "v.Height == o.Height && v.Entry != o.Entry", 4, "forger"},
	{"early messages are kept without end", "round", "(*early).keep", "if of >= maxEarly {", "if false {", 4, "spammer"},
	{"candidates are kept without end", "consensus", "(*height).mentioned", "if h.mentions[by] >= most {", "if false {", 4, "spammer"},
	{"a change needs an approval less than a quorum", "ledger", "(*Changed).check", "n < l.roster.Quorum()", "n+1 < l.roster.Quorum()", 4, "gatecrasher"},
	{"a joiner's signature is not checked", "ledger", "(*Ledger).checkJoin", "return c.Join.CheckSignature(l.mesh, l.Name(c.Join.From), l.verify)\n", "return nil\n", 4, "gatecrasher"},
	{"an approval that was taken back counts", "round", "(*app).Stance", "if a.members.StandsBehind(c) {", "if true {", 4, "gatecrasher"},
	{"the votes of who was removed count", "ledger", "(*Signed).VerifyIn", "case !r.Has(s.From):", "case false:", 0, "gatecrasher"},
	{"who passes on what the machine refuses is blamed", "round", "(*Machine).receive", "		m.out.Trace(trace.Rejected{", "		m.out.blame(r.From, err)\n		m.out.Trace(trace.Rejected{", 4, "framer"},
	{"a run opens without a quorum of consents", "ledger", "(*Open).checkConsents", "len(o.Consents) < n", "len(o.Consents) < 1", 4, "asker"},
	{"a base is fetched before its run is open", "round/runs", "(*Runs).Holds", "if r.asks.inForce() {", "if false {", 4, "baseless"},
	{"what is asked for is kept without end", "round/runs", "(*asks).noteOpen", "!slices.Contains(listed.Runs, s.ID()) ||", "", 4, "baseless"},
	{"a view does not end", "consensus", "(*Agreement).timeouts", "case h.precommitBy > 0 && a.out.Now() >= h.precommitBy, h.votes", "case h.votes", 0, ""},
}

// TestMutantsApply: each bug can still be planted, and what comes out is Go.
func TestMutantsApply(t *testing.T) {
	for _, m := range mutants {
		path, src, err := m.plant()
		if err == nil {
			_, err = parser.ParseFile(token.NewFileSet(), path, src, 0)
		}
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// plant returns the file that has the bug, and its text.
func (m *mutant) plant() (path string, src []byte, err error) {
	files, err := filepath.Glob(filepath.Join("..", "..", m.pkg, "*.go"))
	if err != nil {
		return "", nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return "", nil, err
		}
		from, to, err := body(file, src, m.function)
		if err != nil {
			return "", nil, err
		}
		if to == 0 {
			continue
		}
		if n := bytes.Count(src[from:to], []byte(m.old)); n != 1 {
			return "", nil, fmt.Errorf("%q occurs %d times in %s of %s", m.old, n, m.function, file)
		}
		return file, slices.Concat(src[:from], bytes.Replace(src[from:to], []byte(m.old), []byte(m.new), 1), src[to:]), nil
	}
	return "", nil, fmt.Errorf("package %s has no function %s", m.pkg, m.function)
}

// body returns where a function's body lies in a file's source; to is 0 if the file does not have it.
func body(path string, src []byte, function string) (from, to int, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		return 0, 0, err
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && functionName(f) == function && f.Body != nil {
			return fset.Position(f.Body.Pos()).Offset, fset.Position(f.Body.End()).Offset, nil
		}
	}
	return 0, 0, nil
}

// functionName writes a function's name as stack traces do: checkVotes, Roster.Len, (*Machine).Step.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := types.ExprString(f.Recv.List[0].Type)
	if strings.HasPrefix(receiver, "*") {
		receiver = "(" + receiver + ")"
	}
	return receiver + "." + f.Name.Name
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
			out, err := exec.Command(bin, "-test.run", "^TestTrials$", "-seeds", "2000", "-noshrink", fmt.Sprintf("-roster=%v", m.liar == "gatecrasher"), fmt.Sprintf("-asks=%v", m.liar == "asker" || m.liar == "baseless"), "-sites", fmt.Sprint(m.sites), "-liar", m.liar).CombinedOutput()
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
