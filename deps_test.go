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
// it to fix a build; change it when the architecture changes, and docs/architecture.md with it. A line is
// one edge with its reason, or a package with all that it may import.
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
scenarios               < aggregate block blockstore ledger node/runfile round scenarios/sim tensor train train/builtin train/builtin/corpus yamlfile
scenarios/report        < scenarios block ledger round
scenarios/real/shape    <
scenarios/real/netns    <
scenarios/real          < scenarios block ledger node node/api node/config node/site scenarios/local round scenarios/real/netns scenarios/real/shape scenarios/sim train/builtin/corpus yamlfile
cmd/weft                < *
cmd/weft/term           <
cmd/weft/bench          < *
cmd/weft/demo           < *

train < hint: a trainer's error says what to do
train < tensor: the synthetic trainer writes a model
train < yamlfile: settings are read from config.yaml
train/update < block: artifacts go by CID
train/update < blockstore: an update is taken over into the store
train/update < hint: what is refused says why
train/update < ledger: limits of an update
train/update < tensor: errors of elements
train/update < train: a result
train/dryrun < block: artifacts go by CID
train/dryrun < blockstore: models lie in a store of its own
train/dryrun < hint: errors for a person
train/dryrun < node/config: a site's own config.yaml chooses the trainer
train/dryrun < node/site: and lies in its directory
train/dryrun < train: tasks
train/dryrun < train/update: takes over what a node takes over
node/config < hint: errors say what to write
node/config < ledger: names as the roster has them, runs that a policy looks at
node/config < train: a kind of trainer reads its own settings
node/config < yamlfile: the file
node/wal < hint: what to do about damage
node/wal < round: records
node/site < hint: errors say what to do
node/site < ledger: the genesis
node/site < node/config: config.yaml
node/site < node/wal: joining begins the log
node/site < round: the log's first record
node/site < train: what a site gives its trainer
node/api < block: CIDs
node/api < hint: a refusal says what to do
node/api < ledger: entries and runs, and what one says in the API's types
node/api < round: an event is a line of the machine's trace
node/api/server < block: CIDs
node/api/server < blockstore: its errors have statuses
node/api/server < hint: an error's hint goes along
node/api/server < node/api: the calls
node/archive < aggregate: recomputes the average
node/archive < block: CIDs
node/archive < blockstore: reads models
node/archive < hint: errors say what to do
node/archive < ledger: what is verified
node/archive < node/api: answers like a client
node/archive < node/reduction: the inputs of an average
node/archive < node/site: what lies where
node/archive < node/wal: reads the log
node/archive < round: records of the log
node/index < block: CIDs
node/index < blockstore: what the store has
node/index < ledger: what is kept
node/reduction < aggregate: inputs of the average
node/reduction < ledger: what a seal lists
node/jobs < aggregate: reduces
node/jobs < block: CIDs
node/jobs < blockstore: artifacts
node/jobs < exchange: fetches
node/jobs < ledger: runs
node/jobs < node/config: the site's policy
node/jobs < node/index: what each artifact is for
node/jobs < node/reduction: the inputs of an average
node/jobs < round: jobs and their ends
node/jobs < tensor: layouts
node/jobs < train: tasks
node/jobs < train/update: takes over a result
node/runfile < ledger: the run that a file describes
node/runfile < yamlfile: the file
node < block: CIDs
node < blockstore: opens the store
node < exchange: starts it
node < gossip: starts it
node < hint: errors say what to do
node < ledger: what others may know of it
node < node/api: what is said in its types
node < node/api/server: serves it
node < node/config: bootstrap addresses
node < node/index: opens it
node < node/jobs: starts it
node < node/site: the directory that it runs in
node < node/wal: the log
node < round: drives the machine
node < tensor: errors of a model
node < train: the trainer
scenarios/local < ledger: founds a mesh
scenarios/local < node/api: asks its nodes
scenarios/local < node/site: makes their directories
scenarios/nodetest < ledger: founds a mesh
scenarios/nodetest < node: runs it
scenarios/nodetest < node/config: configures them
scenarios/nodetest < node/site: makes their directories
scenarios/nodetest < train: the synthetic trainer
scenarios/nodetest < yamlfile: sizes and times as a configuration has them
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
		pkg, may, ok := strings.Cut(line, "<")
		if pkg = strings.TrimSpace(pkg); !ok {
			continue
		}
		if edge, reason, one := strings.Cut(may, ":"); one {
			may = edge
			if strings.TrimSpace(reason) == "" {
				t.Errorf("%s <%s: no reason", pkg, edge)
			}
		}
		policy[pkg] = append(policy[pkg], strings.Fields(may)...)
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
