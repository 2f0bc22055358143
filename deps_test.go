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
tensor/kernel           <
tensor < tensor/kernel: looks for what is not finite
blockstore              < block tensor
blockstore/blockstoretest < block blockstore tensor
exchange                < block: what it exchanges
aggregate               < tensor
aggregate < tensor/kernel: means in vector code
aggregate/aggregatetest < aggregate block tensor
gossip/conduct          <
gossip                  < block: a mesh is known by the CID of its genesis
gossip < gossip/conduct: whom to ban
trace                   < block
ledger                  < block
consensus               < block ledger
consensus/modelcheck    <
round/peerlog           < block ledger
round/membership        < block ledger trace
round/runs              < block ledger trace
round                   < block consensus ledger round/membership round/peerlog round/runs trace
round/intake            < block consensus ledger round
train/proctree <
train < hint: a trainer's error says what to do
train < ledger: limits of an update
train < tensor: the synthetic trainer writes a model
train < train/proctree: ends a trainer with all that it has started
train < yamlfile: settings are read from config.yaml
checkpoint < atomicfile: the cache of digests is replaced whole
checkpoint < block: artifacts go by CID
checkpoint < blockstore: a checkpoint is taken into a store
checkpoint < ledger: what a run has beside its weights
checkpoint < tensor: headers and layouts
train/update < aggregate: the norm of an update's change
train/update < block: artifacts go by CID
train/update < blockstore: an update is taken over into the store
train/update < hint: what is refused says why
train/update < ledger: limits of an update
train/update < tensor: errors of elements
train/update < train: a result
train/dryrun < block: artifacts go by CID
train/dryrun < checkpoint: takes in the model to start from
train/dryrun < blockstore: models lie in a store of its own
train/dryrun < hint: errors for a person
train/dryrun < ledger: how many metrics a site may state
train/dryrun < node/config: a site's own config.yaml chooses the trainer
train/dryrun < node/site: and lies in its directory
train/dryrun < train: tasks
train/dryrun < train/update: takes over what a node takes over
node/config < hint: errors say what to write
node/config < ledger: names as the roster has them, runs that a policy looks at
node/config < train: a kind of trainer reads its own settings
node/config < yamlfile: the file
node/wal < atomicfile: a new log is durable
node/wal < hint: what to do about damage
node/wal < ledger: entries
node/wal < round: records
node/site < atomicfile: files appear whole
node/site < hint: errors say what to do
node/site < ledger: the genesis
node/site < node/config: config.yaml
node/site < node/wal: joining begins the log
node/site < round: the log's first record
node/site < train: what a site gives its trainer
node/api < block: CIDs
node/api < hint: a refusal says what to do
node/api < ledger: entries and runs, and what one says in the API's types
node/api < trace: an event is a line of the machine's trace
node/api/server < block: CIDs
node/api/server < blockstore: its errors have statuses
node/api/server < hint: an error's hint goes along
node/api/server < node/api: the calls
node/archive < aggregate: recomputes the average
node/archive < block: CIDs
node/archive < checkpoint: a model goes out with its run's constants
node/archive < blockstore: reads models
node/archive < hint: errors say what to do
node/archive < ledger: what is verified
node/archive < node/api: answers like a client
node/archive < node/reduction: opens the inputs of an average
node/archive < node/site: what lies where
node/archive < node/steps: reads the curves of trainings
node/archive < round/peerlog: the proofs that a log keeps
node/archive < node/wal: reads the log
node/archive < round: records of the log
node/archive < tensor: the shards of a model lie in its file as its layout says
node/archive < trace: when an entry was decided
node/backup < atomicfile: files appear whole
node/backup < block: CIDs
node/backup < hint: errors say what to do
node/backup < node/index: which artifacts are models
node/backup < node/site: what lies where
node/backup < node/wal: a restored site's log begins anew
node/backup < round: and says that an earlier one is gone
node/index < atomicfile: the file is replaced whole
node/index < block: CIDs
node/index < blockstore: what the store has
node/index < ledger: what is kept
node/reduction < aggregate: inputs of the average
node/reduction < block tensor: a state is a block, and its slots have the model's layout in F32
node/reduction < blockstore: the model and the slots are written side by side
node/reduction < ledger: what a seal lists
node/reduction < round/runs: says which input of a seal is to blame
node/jobs < aggregate: reduces
node/jobs < block: CIDs
node/jobs < blockstore: artifacts
node/jobs < exchange: fetches
node/jobs < ledger: runs
node/jobs < node/config: the site's policy
node/jobs < node/index: what each artifact is for
node/jobs < node/reduction: opens the inputs of an average
node/jobs < round: events
node/jobs < round/runs: jobs and their ends
node/jobs < tensor: layouts
node/jobs < train: tasks
node/jobs < train/update: takes over a result
node/jobs < node/steps: the curves of trainings
node/jobs < yamlfile: sizes as a configuration has them
node/metrics < block: runs are asked for by CID
node/metrics < exchange: its counts
node/metrics < node/api: the status
node/metrics < trace: kinds of events
node < node/metrics: registers what it counts
node/steps < atomicfile: a file that has grown is written anew
node/steps < block: runs have CIDs
node/steps < ledger: how many metrics there may be
node/steps < node/api: curves are its types
node/steps < train: what a trainer says
node/runfile < ledger: the run that a file describes
node/runfile < node/reduction: what a run may name
node/runfile < yamlfile: the file
node < node/reduction: which strategies this program knows
node < block: CIDs
node < blockstore: opens the store
node < checkpoint: takes in what a run begins with, and gives models out with its constants
node < exchange: starts it
node < gossip: starts it
node < hint: errors say what to do
node < round/intake: judges messages
node < round/membership: changes of the roster that are asked for
node < round/runs: what the operator asks for, and models that went bad
node < trace: what the protocol did
node < ledger: what others may know of it
node < node/api: what is said in its types
node < node/api/server: serves it
node < node/config: bootstrap addresses
node < node/index: opens it
node < node/jobs: starts it
node < node/site: the directory that it runs in
node < node/steps: the curves of trainings
node < node/wal: the log
node < round: drives the machine
node < tensor: errors of a model
node < train: the trainer
scenarios/sim           < block: artifacts and entries are known by their CIDs
scenarios/sim           < ledger: adversaries forge its statements and entries, checks read it
scenarios/sim           < round: its machines are what is simulated
scenarios/sim           < consensus round/peerlog: adversaries forge their statements
scenarios/sim           < round/membership: the check of what a machine keeps knows how much of it there may be
scenarios/sim           < round/runs: it does the jobs of runs
scenarios/sim           < round/intake: judges messages as nodes do
scenarios/sim           < gossip/conduct: bans as nodes do
scenarios/sim           < trace: checks and faults go by the lines that machines trace
scenarios               < block: a recording names models
scenarios               < ledger: a scenario says what its mesh withstands
scenarios               < node/runfile: a scenario has the terms of its run, written as in a run file
scenarios               < trace: a recording keeps the lines that machines trace
scenarios               < scenarios/sim: a timeline is of the simulator's faults, and names its adversaries
scenarios               < scenarios/deal: a file of rows is dealt out to the sites
scenarios               < yamlfile: a scenario is a YAML file
scenarios/dirichlet     <
scenarios/library       < scenarios: it parses its files
scenarios/learn         < aggregate: it averages as nodes do
scenarios/learn         < node/reduction: a run names its strategy to it as to nodes
scenarios/learn         < block blockstore: models and updates are real artifacts, in one store for all sites
scenarios/learn         < ledger: it completes the run's description
scenarios/learn         < round/runs: training and reducing are its jobs
scenarios/learn         < scenarios: the scenario says what is learnt, and its recording takes the curves
scenarios/play/simulated < ledger: the protocol number under which runs choose a best model
scenarios/learn         < scenarios/dirichlet: sites' mixes of text are drawn
scenarios/learn         < scenarios/sim: it is the workload of a world
scenarios/learn         < tensor: poison changes elements
scenarios/learn         < train train/builtin train/builtin/corpus: the embedded trainer and its texts
scenarios/learn         < train/update: takes over what the trainer made
scenarios/play/simulated < block: the run's nonce is a hash of the scenario's name and seed
scenarios/play/simulated < node/reduction: whether a run's outer step has a state
scenarios/play/simulated < round/runs: it asks for the run
scenarios/play/simulated < trace: it observes what machines trace
scenarios/play/simulated < scenarios: a scenario comes in, a recording goes out
scenarios/play/simulated < scenarios/learn: the workload of scenarios that really learn
scenarios/play/simulated < scenarios/sim: the world in which it plays
scenarios/report        < scenarios: it shows recordings
scenarios/report        < trace: which events the page marks
scenarios/netem/shape   <
scenarios/netem/netns   <
scenarios/local < ledger: founds a mesh
scenarios/local < node/api: asks its nodes
scenarios/local < node/site: makes their directories
scenarios/local < train: whether a script can be started
scenarios/nodetest < ledger: founds a mesh
scenarios/nodetest < node: runs it
scenarios/nodetest < node/config: configures them
scenarios/nodetest < node/site: makes their directories
scenarios/nodetest < train: the synthetic trainer
scenarios/nodetest < yamlfile: sizes and times as a configuration has them
scenarios/siege < block consensus ledger round/peerlog round: messages that no correct site sends
scenarios/siege < gossip: a host with a site's key
scenarios/siege < node/api node/site scenarios/local: honest sites, and the key of another
scenarios/netem         < scenarios/local: a test bed says where each node listens and how it is started
scenarios/netem         < scenarios/netem/netns scenarios/netem/shape: the emulators that test beds are made of
scenarios/play/real     < block: models have CIDs
scenarios/play/real     < ledger: the mesh says what it withstands
scenarios/play/real     < node node/api node/config node/site scenarios/local: its sites are nodes, processes of their own
scenarios/play/real     < trace: nodes trace as machines do
scenarios/play/real     < scenarios: a scenario comes in, a recording goes out
scenarios/play/real     < scenarios/learn: it measures the models that the nodes have trained
scenarios/play/real     < scenarios/netem scenarios/netem/shape: the network that the nodes stand on
scenarios/play/real     < scenarios/sim: its faults are done to processes
scenarios/play/real     < train/builtin/corpus: each site trains on a part of it
scenarios/play/real     < hint: a script that fails says what to do
scenarios/play/real     < scenarios/deal: each site gets its part of a file of rows
scenarios/play/real     < yamlfile: what cannot be done is shown at its line of the file
cmd/weft                < node: weft up runs one
cmd/weft                < node/api: what a node is asked
cmd/weft                < node/archive: what a site's directory says without its node
cmd/weft                < node/backup: weft backup and restore
cmd/weft                < node/config node/site: weft init writes them
cmd/weft                < node/wal: which of its errors say that the log is damaged
cmd/weft                < train/dryrun: weft trainer test
cmd/weft                < train/proctree: weft up waits for what a trainer's processes leave behind
cmd/weft                < trace: which events the log of weft up tells, in which words
cmd/weft                < ledger: what a genesis is made of, and what entries say
cmd/weft                < checkpoint: a model goes out as a folder
cmd/weft                < block: CIDs on the command line, blocks that are shown
cmd/weft                < blockstore tensor: weft cat decodes manifests and layouts; weft run start says which types it widens
cmd/weft                < aggregate: weft strategy prints its registrations
cmd/weft                < node/runfile yamlfile: files that people write
cmd/weft                < train train/builtin: the embedded trainer is part of weft; which of its errors are the command line's
cmd/weft                < hint: errors say what to do
cmd/weft                < cmd/weft/term cmd/weft/outfile: how a command writes
cmd/weft                < cmd/weft/tensorboard: weft run history writes curves
cmd/weft                < cmd/weft/try cmd/weft/demo cmd/weft/bench scenarios scenarios/deal scenarios/library scenarios/local scenarios/play/real scenarios/play/simulated scenarios/report: what tries weft on one machine; not with -tags node
cmd/weft                < cmd/weft/doctor: weft doctor
cmd/weft/doctor         < blockstore: the room of the disk, as the store counts it
cmd/weft/doctor         < cmd/weft/term: sizes and times in words
cmd/weft/doctor         < gossip: dials the other sites while the node does not run
cmd/weft/doctor         < hint: a finding says what to do
cmd/weft/doctor         < node/api node/archive: what the node says, or else its directory
cmd/weft/doctor         < node/config node/site: the directory that is examined
cmd/weft/doctor         < train train/dryrun: starts the trainer
cmd/weft/term           <
cmd/weft/tensorboard    <
cmd/weft/outfile        < atomicfile: a file appears whole
cmd/weft/bench          < cmd/weft/term: its result for people
cmd/weft/bench          < aggregate block blockstore exchange gossip tensor: what is measured, and what the measured works on
cmd/weft/bench          < scenarios/netem/shape: an emulated link
cmd/weft/bench          < node/api scenarios/local ledger block: a mesh of real nodes, and the run in it
cmd/weft/try            < cmd/weft/term: its screen, and its result for people
cmd/weft/try            < node/api scenarios/local ledger block: a mesh of real nodes, and the run in it
cmd/weft/try            < train train/dryrun: whether a command can be started, and what training alone gives
scenarios/deal          < hint: errors say what to do with the file, or how to deal it otherwise
scenarios/deal          < scenarios/dirichlet: uneven shares are drawn
cmd/weft/demo           < cmd/weft/term cmd/weft/outfile: its result, and the model that it leaves
cmd/weft/demo           < cmd/weft/try ledger block: it is a try with the embedded trainer
cmd/weft/demo           < scenarios/local: how many threads a site gets
cmd/weft/demo           < train train/builtin train/builtin/corpus: each site's text, and what training alone gives
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
	"round/peerlog": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"round/membership": {
		"net": "messages are data", "os": "no files", "sync": "one goroutine owns a machine", "context": "nothing blocks",
		"log": "it traces", "log/slog": "it traces", "math/rand": "chance follows from the input", "math/rand/v2": "chance follows from the input",
	},
	"round/runs": {
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
var libp2pOnly = []string{"gossip", "exchange", "node", "cmd/weft", "scenarios/siege"}

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
			if withReasons(pkg) && len(imported) > 0 && strings.TrimSpace(why) == "" {
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

// withReasons reports whether each edge of a package has its reason.
func withReasons(pkg string) bool {
	wing, _, _ := strings.Cut(pkg, "/")
	return slices.Contains([]string{"node", "scenarios", "train", "cmd"}, wing)
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
	for _, lab := range []string{"scenarios", "cmd/weft/try", "cmd/weft/demo", "cmd/weft/bench"} {
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
