package weft

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed is who may import whom inside the module, with the reason after a colon: what is not listed is
// forbidden. Do not change it to fix a build; change it when the architecture changes, and
// docs/architecture.md with it.
const allowed = `
block                   <
block/blocktest         < block: what it shows are blocks
hint                    <
yamlfile                <
atomicfile              <
tensor                  < block
blockstore              < block tensor
blockstore/blockstoretest < block blockstore tensor
exchange                < block: what it exchanges
aggregate               < tensor
aggregate/aggregatetest < aggregate block tensor
gossip                  < block: a mesh is known by the CID of its genesis
trace                   < block
ledger                  < block
consensus               < block ledger
consensus/modelcheck    <
peerlog                 < block ledger
membership              < block ledger trace
runs                    < block ledger trace
round                   < block consensus ledger membership peerlog runs trace
train                   < ledger tensor
node                    < *
node/local              < node ledger round
node/nodetest           < node consensus ledger round runs trace train yamlfile
scenarios/sim           < block: artifacts and entries are known by their CIDs
scenarios/sim           < ledger: adversaries forge its statements and entries, checks read it
scenarios/sim           < round: its machines are what is simulated
scenarios/sim           < consensus peerlog: adversaries forge their statements
scenarios/sim           < membership: the check of what a machine keeps knows how much of it there may be
scenarios/sim           < runs: it does the jobs of runs
scenarios/sim           < trace: checks and faults go by the lines that machines trace
scenarios               < block: a recording names models
scenarios               < ledger: a scenario says what its mesh withstands
scenarios               < node/runfile: a scenario has the terms of its run, written as in a run file
scenarios               < trace: a recording keeps the lines that machines trace
scenarios               < scenarios/sim: a timeline is of the simulator's faults, and names its adversaries
scenarios               < yamlfile: a scenario is a YAML file
scenarios/library       < scenarios: it parses its files
scenarios/learn         < aggregate: it averages as nodes do
scenarios/learn         < block blockstore: models and updates are real artifacts, in one store for all sites
scenarios/learn         < ledger: it completes the run's description
scenarios/learn         < runs: training and reducing are its jobs
scenarios/learn         < scenarios: the scenario says what is learnt, and its recording takes the curves
scenarios/learn         < scenarios/sim: it is the workload of a world
scenarios/learn         < tensor: poison changes elements
scenarios/learn         < train train/builtin train/builtin/corpus: the embedded trainer and its texts
scenarios/play/simulated < block: the run's nonce is a hash of the scenario's name and seed
scenarios/play/simulated < runs: it asks for the run
scenarios/play/simulated < trace: it observes what machines trace
scenarios/play/simulated < scenarios: a scenario comes in, a recording goes out
scenarios/play/simulated < scenarios/learn: the workload of scenarios that really learn
scenarios/play/simulated < scenarios/sim: the world in which it plays
scenarios/report        < scenarios: it shows recordings
scenarios/netem/shape   <
scenarios/netem/netns   <
scenarios/netem         < node/local: a test bed says where each node listens and how it is started
scenarios/netem         < scenarios/netem/netns scenarios/netem/shape: the emulators that test beds are made of
scenarios/play/real     < block: models have CIDs
scenarios/play/real     < ledger: the mesh says what it withstands
scenarios/play/real     < node node/local: its sites are nodes, processes of their own
scenarios/play/real     < trace: nodes trace as machines do
scenarios/play/real     < scenarios: a scenario comes in, a recording goes out
scenarios/play/real     < scenarios/learn: it measures the models that the nodes have trained
scenarios/play/real     < scenarios/netem scenarios/netem/shape: the network that the nodes stand on
scenarios/play/real     < scenarios/sim: its faults are done to processes
scenarios/play/real     < train/builtin/corpus: each site trains on a part of it
scenarios/play/real     < yamlfile: what cannot be done is shown at its line of the file
cmd/weft                < node: the local API and the site's directory
cmd/weft                < ledger: what a genesis is made of, and what entries say
cmd/weft                < block: CIDs on the command line, blocks that are shown
cmd/weft                < blockstore tensor: weft cat decodes manifests and layouts
cmd/weft                < gossip: the site's key
cmd/weft                < aggregate: weft strategy prints its registrations
cmd/weft                < node/runfile yamlfile: files that people write
cmd/weft                < train train/builtin: weft trainer test, and which of its errors are the command line's
cmd/weft                < hint: errors say what to do
cmd/weft                < cmd/weft/term cmd/weft/outfile: how a command writes
cmd/weft                < cmd/weft/demo cmd/weft/bench scenarios scenarios/library scenarios/play/real scenarios/play/simulated scenarios/report: what tries weft on one machine; not with -tags node
cmd/weft/term           <
cmd/weft/outfile        < atomicfile: a file appears whole
cmd/weft/bench          < cmd/weft/term: its result for people
cmd/weft/bench          < node node/local ledger block: a mesh of real nodes, and the run in it
cmd/weft/demo           < cmd/weft/term cmd/weft/outfile: its screen, and the model that it leaves
cmd/weft/demo           < node node/local ledger block: a mesh of real nodes, and the run in it
cmd/weft/demo           < train train/builtin train/builtin/corpus: each site's text, and what training alone gives
node/runfile            < ledger round yamlfile
`

// pure is what packages of the protocol must not import, and why.
var pure = map[string]map[string]string{
	"ledger": {
		"net": "facts are data", "os": "no files", "sync": "one goroutine owns a ledger", "context": "nothing blocks",
		"log": "errors say what is wrong", "log/slog": "errors say what is wrong", "time": "an entry names no time", "math/rand": "no chance", "math/rand/v2": "no chance",
	},
	"consensus": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"peerlog": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"membership": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"runs": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"trace": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"round": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"tensor": {
		"net": "tensors are bytes", "os": "bytes come from readers", "time": "pure arithmetic",
		"math/rand": "pure arithmetic", "math/rand/v2": "pure arithmetic",
	},
	"aggregate": {
		"net": "pure arithmetic", "os": "shards come from readers", "time": "pure arithmetic",
		"math/rand": "pure arithmetic", "math/rand/v2": "pure arithmetic",
	},
}

// libp2pOnly are the packages that may use libp2p's hosts and streams.
var libp2pOnly = []string{"gossip", "exchange", "node", "cmd/weft"}

const module = "github.com/weft-mesh/weft/"

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	policy := map[string][]string{}
	for line := range strings.Lines(allowed) {
		if pkg, may, ok := strings.Cut(line, "<"); ok {
			imports, why, _ := strings.Cut(may, ":")
			pkg, imported := strings.TrimSpace(pkg), strings.Fields(imports)
			policy[pkg] = append(policy[pkg], imported...)
			if (strings.HasPrefix(pkg, "scenarios") || strings.HasPrefix(pkg, "cmd")) && len(imported) > 0 && strings.TrimSpace(why) == "" {
				t.Errorf("%s may import %v: say why", pkg, imported)
			}
		}
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		for _, imp := range fields[1:] {
			checkImport(t, policy, pkg, imp)
		}
	}
}

func checkImport(t *testing.T, policy map[string][]string, pkg, imp string) {
	if why := pure[pkg][imp]; why != "" {
		t.Errorf("%s imports %s: %s", pkg, imp, why)
	}
	if strings.HasPrefix(imp, "github.com/libp2p/go-libp2p/core/host") || strings.HasPrefix(imp, "github.com/libp2p/go-libp2p/core/network") {
		if !slices.ContainsFunc(libp2pOnly, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") }) {
			t.Errorf("%s imports %s: hosts and streams belong to %v", pkg, imp, libp2pOnly)
		}
	}
	to, inside := strings.CutPrefix(imp, module)
	may, known := policy[pkg]
	if !inside || strings.HasPrefix(pkg, "train/builtin") || slices.Contains(may, "*") {
		return
	}
	if !known {
		t.Errorf("%s is not in the policy: say what it may import", pkg)
	} else if !slices.Contains(may, to) {
		t.Errorf("%s imports %s, it may import %v", pkg, to, may)
	}
}

// TestNodeBuild: a node built with -tags node has no code that can forge votes, shape networks or generate kernels.
func TestNodeBuild(t *testing.T) {
	list := func(args ...string) []string {
		out, err := exec.Command("go", append(append([]string{"list", "-deps"}, args...), "./cmd/weft")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	all, node := list(), list("-tags", "node")
	for _, lab := range []string{"scenarios", "node/local", "cmd/weft/demo", "cmd/weft/bench"} {
		is := func(imp string) bool { return imp == module+lab || strings.HasPrefix(imp, module+lab+"/") }
		if !slices.ContainsFunc(all, is) {
			t.Errorf("the ordinary binary has no %s any more: what is to be left out of a node has another name now", lab)
		}
		if i := slices.IndexFunc(node, is); i >= 0 {
			t.Errorf("a node links %s", node[i])
		}
	}
	if i := slices.IndexFunc(all, func(imp string) bool {
		return strings.HasPrefix(imp, "github.com/mmcloughlin/avo") || strings.HasSuffix(imp, "/kernel/asm")
	}); i >= 0 {
		t.Errorf("weft links %s", all[i])
	}
}

// TestNoClock: the pure packages take time as an argument.
func TestNoClock(t *testing.T) {
	for pkg := range pure {
		files, err := filepath.Glob(pkg + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", pkg, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker"}, s.Sel.Name) {
						t.Errorf("%s: time.%s", set.Position(s.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// TestPackageDocs: every package says what it is for.
func TestPackageDocs(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}	{{.Doc}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if pkg, doc, _ := strings.Cut(strings.TrimSpace(line), "\t"); doc == "" {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

// TestLicense: the licence is where people look for it.
func TestLicense(t *testing.T) {
	b, err := os.ReadFile("LICENSE")
	if err != nil || !strings.Contains(string(b), "Apache License") {
		t.Fatalf("LICENSE: %v", err)
	}
}
