package learn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/train/builtin/corpus"
	"github.com/weft-mesh/weft/train/update"
)

// Learner is the workload that really learns: the embedded trainer on the embedded texts, real artifacts
// in one store for all sites, real averages. Only time is pretended: it is the scenario's.
type Learner struct {
	ctx     context.Context
	s       *scenarios.Scenario
	dir     string // of the models' files
	note    func(format string, args ...any)
	store   *blockstore.Memory
	sites   []*builtin.Trainer
	pool    *builtin.Trainer // on all sites' text
	texts   []text
	heldout [][]byte // of each kind
	hyper   map[string]string
	base    block.CID
	layout  block.CID

	strategy aggregate.Strategy

	known    map[block.CID]sim.Artifact
	trained  map[string]sim.Trained
	reduced  map[block.CID]sim.Reduced    // by what they depend on
	measured map[string][]builtin.Quality // on each kind of text, by the model's file
	changes  map[changed]aggregate.Change
	bounds   ledger.Bounded
	selects  bool // the run's sites measure models
	figures  map[block.CID]ledger.Measured
	failed   error // the error that ended it
}

var (
	_ sim.Workload   = (*Learner)(nil)
	_ sim.Poisonable = (*Learner)(nil)
	_ sim.Measurer   = (*Learner)(nil)
	_ sim.Changer    = (*Learner)(nil)

	_ reduction.Source = (*Learner)(nil)
)

// heldoutBytes of each kind of held-out text are measured: more changes the second decimal, and costs
// time for every site and round.
const heldoutBytes = 2 << 10

// New returns the workload of a scenario, with all its files in dir. What it is doing it notes.
func New(ctx context.Context, s *scenarios.Scenario, dir string, note func(string, ...any)) (*Learner, error) {
	l := &Learner{
		ctx: ctx, s: s, dir: dir, note: note, store: blockstore.NewMemory(blockstore.Options{}), hyper: map[string]string{},
		known: map[block.CID]sim.Artifact{}, trained: map[string]sim.Trained{}, reduced: map[block.CID]sim.Reduced{}, measured: map[string][]builtin.Quality{}, figures: map[block.CID]ledger.Measured{}, changes: map[changed]aggregate.Change{},
	}
	for k, v := range s.Run.Train {
		l.hyper[k] = string(v)
	}
	spec, _, err := s.Run.Spec(s.Name)
	if err != nil {
		return nil, err
	}
	l.selects = !spec.Selection.IsZero()
	if l.bounds, err = spec.Bounds.Read(); err != nil {
		return nil, err
	}
	if l.strategy, err = reduction.Strategy(&spec); err != nil {
		return nil, err
	}
	if err := l.deal(); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "init.safetensors")
	if err := builtin.InitModel(path, l.hyper); err != nil {
		return nil, fmt.Errorf("%w: run.train: %w", scenarios.ErrScenario, err)
	}
	if l.base, err = l.store.Import(ctx, path, blockstore.ImportOptions{Finite: true}); err != nil {
		return nil, err
	}
	a, err := l.add(l.base)
	l.layout = a.Layout
	return l, err
}

// Fill fills in what a run's description says of the model and of how it is trained.
func (l *Learner) Fill(spec *ledger.RunSpec) {
	spec.Base, spec.Layout, spec.Train = l.base, l.layout, l.hyper
}

// Err returns the error that ended the learning, if one did.
func (l *Learner) Err() error { return l.failed }

// deal gives every site its text and a trainer on it.
func (l *Learner) deal() (err error) {
	if l.texts, err = deal(l.s.Data, len(l.s.All()), uint64(l.s.Seed)); err != nil {
		return err
	}
	var held, all []byte
	for _, kind := range corpus.Kinds() {
		text, err := corpus.Sample{Kind: kind, Part: 1, Parts: 1}.Heldout()
		if err != nil {
			return err
		}
		l.heldout = append(l.heldout, text[:min(len(text), heldoutBytes)])
		held = append(held, text[:min(len(text), heldoutBytes/4)]...)
	}
	heldout := filepath.Join(l.dir, "heldout.txt")
	if err := os.WriteFile(heldout, held, 0o600); err != nil {
		return err
	}
	on := func(name string, data []byte) (*builtin.Trainer, error) {
		path := filepath.Join(l.dir, name+".txt")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, err
		}
		return builtin.New(builtin.Config{Data: path, Heldout: heldout})
	}
	for i, t := range l.texts {
		one, err := on(fmt.Sprint("site-", i), t.data)
		if err != nil {
			return err
		}
		l.sites = append(l.sites, one)
		all = append(all, t.data...)
	}
	l.pool, err = on("pool", all)
	return err
}

// add notes an artifact that the store holds.
func (l *Learner) add(manifest block.CID) (sim.Artifact, error) {
	a, err := l.store.Open(manifest)
	if err != nil {
		return sim.Artifact{}, err
	}
	known := sim.Artifact{Manifest: manifest, Layout: a.Manifest.Layout, Bytes: a.Data().Size()}
	l.known[manifest] = known
	return known, a.Close()
}

// Describe returns an artifact that was made before.
func (l *Learner) Describe(manifest block.CID) (sim.Artifact, bool) {
	a, ok := l.known[manifest]
	return a, ok
}

// file returns the safetensors file of an artifact.
func (l *Learner) file(manifest block.CID) (string, error) {
	path := filepath.Join(l.dir, manifest.String()+".safetensors")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	return path, errors.Join(l.store.Export(manifest, f), f.Close())
}

// Train trains at a site. Its seed, and with it all that comes out, follows from the scenario's seed, the
// site, the round, the opening and the attempt.
func (l *Learner) Train(site int, j runs.Train) (sim.Trained, error) {
	name := []byte("train")
	for _, n := range []uint64{uint64(l.s.Seed), uint64(site), j.Round, j.Opened, j.Attempt} {
		name = binary.BigEndian.AppendUint64(name, n)
	}
	chance := block.Sum(block.Raw, name).Digest()
	key := string(chance[:]) + j.Base.String()
	if done, ok := l.trained[key]; ok {
		return done, nil
	}
	done, err := l.train(site, j, binary.BigEndian.Uint64(chance[:]))
	if err != nil {
		if l.failed == nil && !errors.Is(err, builtin.ErrDiverged) { // that one a site has to live with
			l.failed = err
		}
		return done, err
	}
	b := l.s.Trainer.Builtin
	part := float64(binary.BigEndian.Uint32(chance[8:])) / (1 << 32)
	done.Took = time.Duration(float64(b.Time) * (1 + part*float64(b.Spread)))
	l.trained[key] = done
	return done, nil
}

func (l *Learner) train(site int, j runs.Train, seed uint64) (done sim.Trained, err error) {
	base, err := l.file(j.Base)
	if err != nil {
		return done, err
	}
	res, err := l.task(l.sites[site], base, j.Round, seed)
	if err != nil {
		return done, err
	}
	taken, err := update.Training{Spec: j.Spec, Base: j.Base, Result: res}.Take(l.ctx, l.store)
	if err != nil {
		return done, err
	}
	a, err := l.add(taken.Manifest)
	return sim.Trained{Update: a, Samples: res.Samples, Metrics: res.Metrics}, errors.Join(err, os.RemoveAll(filepath.Dir(res.Update)))
}

// task trains from a model's file for a round.
func (l *Learner) task(t *builtin.Trainer, base string, n, seed uint64) (train.Result, error) {
	dir, err := os.MkdirTemp(l.dir, "task-")
	if err != nil {
		return train.Result{}, err
	}
	return t.Run(l.ctx, train.Task{
		Kind: train.Train, Name: l.s.Name, Round: n, Rounds: uint64(l.s.Run.Rounds), Attempt: 1, Base: base, Dir: dir, Seed: seed, Config: l.hyper,
	}, nil)
}

// evaluationTime is how long a site measures a model, as a part of what it trains.
const evaluationTime = 0.1

// Measure measures a model, once for all sites, as they have the same held-out text.
func (l *Learner) Measure(site int, model block.CID) (ledger.Measured, bool) {
	if m, known := l.figures[model]; known || !l.selects {
		return m, known
	}
	m, err := l.evaluate(l.sites[site], model)
	if err != nil {
		if l.failed == nil {
			l.failed = err
		}
		return m, false
	}
	l.figures[model] = m
	return m, true
}

func (l *Learner) evaluate(t *builtin.Trainer, model block.CID) (m ledger.Measured, err error) {
	base, err := l.file(model)
	if err != nil {
		return m, err
	}
	res, err := t.Run(l.ctx, train.Task{Kind: train.Evaluate, Name: l.s.Name, Rounds: uint64(l.s.Run.Rounds), Attempt: 1, Base: base, Config: l.hyper}, nil)
	took := evaluationTime * float64(l.s.Trainer.Builtin.Time)
	return ledger.Measured{Samples: max(1, res.Samples), Metrics: res.Metrics, Took: uint64(time.Duration(took).Milliseconds())}, err
}

// Reduce averages, once for all sites.
func (l *Learner) Reduce(j runs.Reduce) (sim.Reduced, error) {
	name := j.Base.Bytes()
	for _, in := range j.Inputs {
		name = binary.BigEndian.AppendUint64(append(name, in.Manifest.Bytes()...), in.Weight)
		if in.Base.Defined() {
			name = append(name, in.Base.Bytes()...)
		}
		if in.Steps > 0 {
			name = binary.BigEndian.AppendUint64(name, in.Steps)
		}
	}
	if j.State.Defined() {
		name = append(name, j.State.Bytes()...)
	}
	name = binary.BigEndian.AppendUint64(name, j.Round)
	key := block.Sum(block.Raw, name)
	if done, ok := l.reduced[key]; ok {
		return done, nil
	}
	done, err := l.average(j)
	if err != nil {
		return done, err
	}
	l.reduced[key] = done
	return done, nil
}

// changed is an update beside a model.
type changed struct{ update, base block.CID }

// Change measures what an update changes, once for all sites.
func (l *Learner) Change(update, base block.CID) (norm float64, invalid string) {
	c, known := l.changes[changed{update, base}]
	if !known {
		var err error
		if c, err = l.compare(update, base); err != nil {
			if l.failed == nil {
				l.failed = err
			}
			return 0, err.Error()
		}
		l.changes[changed{update, base}] = c
	}
	if err := c.Check(l.bounds.MaxChange); err != nil {
		return c.Norm, err.Error()
	}
	return c.Norm, ""
}

func (l *Learner) compare(update, base block.CID) (c aggregate.Change, err error) {
	u, err := l.store.Open(update)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, u.Close()) }()
	from, err := l.store.Open(base)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return aggregate.Compare(l.ctx, aggregate.ShapeOf(from.Cut()), from, u)
}

// reduceRate is how many bytes of updates a site averages in a second.
const reduceRate = 1e9

func (l *Learner) average(j runs.Reduce) (done sim.Reduced, err error) {
	in, err := reduction.Open(reduction.Round{Strategy: l.strategy, Number: j.Round, Base: j.Base, State: j.State, Sealed: j.Inputs}, l)
	if err != nil {
		return done, err
	}
	defer in.Close()
	done.Took = time.Duration(float64(in.Like.Layout.Bytes()) * float64(len(j.Inputs)) / reduceRate * float64(time.Second))
	out, err := reduction.NewOutput(l.store, in.Like, l.strategy.Slots())
	if err != nil {
		return done, err
	}
	_, err = aggregate.Reduce(l.ctx, in.Job, out.Sink())
	if done.Bad = in.Bad(err); done.Bad != nil {
		return done, out.Abort()
	}
	if err != nil {
		return done, errors.Join(err, out.Abort())
	}
	made, err := out.Commit()
	if err != nil {
		return done, err
	}
	if made.State.Defined() {
		done.State = l.addState(made, in.Like.Manifest.Layout)
	}
	done.Model, err = l.add(made.Model.Manifest)
	return done, err
}

// Open implements reduction.Source.
func (l *Learner) Open(p reduction.Part) (*reduction.Reader, error) {
	a, err := l.store.Open(p.Manifest)
	return &reduction.Reader{Artifact: a}, err
}

// State implements reduction.Source.
func (l *Learner) State(name block.CID) (reduction.State, error) {
	data, err := l.store.Get(name)
	if err != nil {
		return reduction.State{}, err
	}
	return reduction.DecodeState(data)
}

// addState takes the outer step's state after a reduction.
func (l *Learner) addState(made reduction.Made, layout block.CID) sim.Artifact {
	a := sim.Artifact{Manifest: made.State, Layout: layout, Bytes: int64(len(made.Slots)) * l.known[l.base].Bytes} // all are float32
	l.known[made.State] = a
	return a
}
