package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
)

// Archive is what a site's directory holds, read without its node: the ledger, verified, and what lies in the store. It
// answers like [Client], as far as that goes.
type Archive struct {
	dir     string
	genesis *ledger.Genesis
	ledger  *ledger.Ledger
	proofs  []*peerlog.Evidence // against sites, as they came
	torn    int64               // bytes at the log's end that are no whole record
}

// Open reads a site's directory, whose node may be running, and verifies its ledger as [Verify] does, with the same
// errors; it returns ErrNoMesh for a directory that belongs to none.
func Open(dir string) (*Archive, error) {
	g, err := site.ReadGenesis(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, site.LogFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Add(fmt.Errorf("%w: %w", wal.ErrDamaged, err), "start the node with weft up: a site whose log is gone gets the ledger from the others")
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer f.Close()
	a := &Archive{dir: dir, genesis: g, ledger: ledger.NewLedger(g, ledger.VerifySignature)}
	_, a.torn, err = wal.Read(f, func(r round.Record) error {
		switch {
		case r.Decided != nil:
			return appendCertified(a.ledger, r.Decided)
		case r.Evidence != nil && r.Evidence.Proves():
			a.proofs = append(a.proofs, r.Evidence)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Report says what the ledger proves.
func (a *Archive) Report() *Report {
	r := newReport(a.genesis, a.ledger)
	r.Torn = a.torn
	return r
}

// WriteCAR writes the ledger as a CAR file, which [VerifyCAR] checks.
func (a *Archive) WriteCAR(w io.Writer) error {
	return writeLedgerCAR(w, a.genesis, a.ledger)
}

// Status says what the ledger knows: the mesh and its runs.
func (a *Archive) Status(context.Context) (*api.Status, error) {
	r := a.ledger.Roster()
	s := &api.Status{
		Mesh: a.ledger.Mesh(), MeshName: a.genesis.Name, Faults: a.genesis.Faults,
		Sites: r.Len(), Quorum: r.Quorum(), Height: a.ledger.Height(), Head: a.ledger.Head(), Runs: []api.RunStatus{},
		Protocol: a.ledger.Protocol(a.ledger.Height() + 1).Number, Newest: ledger.Newest,
	}
	troubles, err := troublesOf(a.dir)
	if err != nil {
		return nil, err
	}
	for _, run := range a.ledger.Runs() {
		d := api.DescribeRun(a.ledger, run, api.DescribeHistory(a.ledger, run), api.DescribeFigures(a.ledger, run))
		d.Takes = api.Counted(d.History)
		d.Unknown = reduction.Knows(reduction.KnownNames).Unknown(run)
		if run.Active() {
			d.Phase = api.PhaseOffline
		}
		for i := range d.History {
			troubles.Missed(run.ID, &d.History[i], a.ledger.Name)
			if m, err := a.open(d.History[i].Model); err == nil {
				d.History[i].Held = m.Close() == nil
			}
		}
		s.Runs = append(s.Runs, d)
	}
	api.Link(s.Runs)
	for i := range s.Runs {
		if r := &s.Runs[i]; len(r.History) > 0 {
			r.Newest = &r.History[len(r.History)-1]
		}
	}
	return s, nil
}

// Full is Status, which has all rounds.
func (a *Archive) Full(ctx context.Context) (*api.Status, error) { return a.Status(ctx) }

// Roster returns the sites in force, and those that were; whether they are up nobody knows.
func (a *Archive) Roster(context.Context) (api.Roster, error) {
	return api.DescribeRoster(a.ledger), nil
}

// Ledger returns decided entries from a height on, at most limit, ascending.
func (a *Archive) Ledger(_ context.Context, from uint64, limit int) ([]api.LedgerEntry, error) {
	return api.DescribeEntries(a.ledger, from, limit), nil
}

// Model returns a model as a safetensors file, with the constants of its run unless that is undefined, to be read to its end,
// which comes early if ctx ends, and closed.
func (a *Archive) Model(ctx context.Context, run, manifest block.CID) (_ io.ReadCloser, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var beside ledger.Beside
	if r := a.ledger.Run(run); r != nil {
		if beside, err = r.Spec.Constants.Read(); err != nil {
			return nil, err
		}
	}
	m, err := checkpoint.OpenModel(a.open, manifest, beside)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		w.CloseWithError(errors.Join(m.Write(w), m.Close()))
	}()
	return r, nil
}

// Steps returns the curves of the site's own trainings in a run.
func (a *Archive) Steps(_ context.Context, run block.CID) ([]api.TrainingSteps, error) {
	return steps.Read(filepath.Join(a.dir, site.StepsDir), run)
}

// Block returns a block of the ledger, or one that was put into the store, verified.
func (a *Archive) Block(_ context.Context, id block.CID) ([]byte, error) {
	for b, err := range ledgerBlocks(a.genesis, a.ledger) {
		if err != nil || b.CID == id {
			return b.Data, err
		}
	}
	return blockstore.ReadBlock(filepath.Join(a.dir, site.StoreDir), id)
}

func (a *Archive) open(manifest block.CID) (*blockstore.Artifact, error) {
	m, err := blockstore.OpenArtifact(filepath.Join(a.dir, site.StoreDir), manifest)
	if errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrIncomplete) {
		err = hint.Add(fmt.Errorf("artifact %s: %w", manifest, blockstore.ErrNotFound), api.NotHeldHint)
	}
	return m, err
}
