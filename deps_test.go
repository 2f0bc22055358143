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

// allowed is who may import whom inside the module: what is not listed is forbidden. Do not change
// it to fix a build; change it when the architecture changes, and docs/architecture.md with it.
const allowed = `
block                   <
hint                    <
yamlfile                <
tensor                  < block
blockstore              < block tensor
blockstore/blockstoretest < block blockstore tensor
exchange                < block
aggregate               < tensor
aggregate/aggregatetest < aggregate tensor
gossip                  < block
gossip/gossiptest       < block gossip
ledger                  < block
round                   < block ledger
round/model             <
scenarios/sim           < block ledger round
train                   < hint tensor yamlfile
node                    < block blockstore exchange gossip hint ledger node/api node/api/server node/config node/index node/jobs node/site node/wal round tensor train
node/local              < node/api node/site ledger round
train/update            < block blockstore hint ledger tensor train
train/dryrun            < block blockstore hint node/config node/site tensor train train/update
node/config             < hint ledger train yamlfile
node/wal                < hint round
node/site               < hint ledger node/config node/wal round train
node/api                < block hint ledger round
node/archive            < aggregate block blockstore hint ledger node/api node/reduction node/site node/wal round
node/index              < block blockstore ledger
node/jobs               < aggregate block blockstore exchange hint ledger node/config node/index node/reduction round tensor train train/update
node/api/server         < block blockstore hint node/api
node/reduction          < aggregate ledger
node/nodetest           < node node/api node/config node/site ledger round train yamlfile
scenarios               < aggregate block blockstore ledger node/runfile round scenarios/sim tensor train train/builtin train/builtin/corpus yamlfile
scenarios/report        < scenarios block ledger round
scenarios/real/shape    <
scenarios/real/netns    <
scenarios/real          < scenarios block ledger node node/api node/config node/site node/local round scenarios/real/netns scenarios/real/shape scenarios/sim train/builtin/corpus yamlfile
cmd/weft                < *
cmd/weft/term           <
node/runfile            < ledger round yamlfile
cmd/weft/bench          < *
cmd/weft/demo           < *
`

// pure is what packages of the protocol must not import, and why.
var pure = map[string]map[string]string{
	"ledger": {
		"net": "facts are data", "os": "no files", "sync": "one goroutine owns a ledger", "context": "nothing blocks",
		"log": "errors say what is wrong", "log/slog": "errors say what is wrong", "time": "an entry names no time", "math/rand": "no chance", "math/rand/v2": "no chance",
	},
	"round": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
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
			policy[strings.TrimSpace(pkg)] = strings.Fields(may)
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
