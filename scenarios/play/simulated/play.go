package simulated

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/learn"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

const (
	slice     = time.Second // of virtual time between two looks at the context
	checked   = 32          // meshes of more sites are not held to the protocol's promises after every event: it takes too long
	traceMost = 1 << 20     // lines of a trace
)

// Watch is told how the playing of a scenario goes, line by line; a line of site -1 with the event
// "note" says what goes on beside the protocol. hit names the sites that a fault is about.
type Watch func(l scenarios.Line, hit []string)

// ErrScript is returned for a scenario whose sites train with a user's script.
var ErrScript = errors.New("a script trains in real time, which cannot be simulated")

// Play plays a scenario in virtual time. The same scenario gives the same recording, but for the
// time that it took. It returns ctx's error if it was stopped.
func Play(ctx context.Context, s *scenarios.Scenario, watch Watch) (rec *scenarios.Recording, err error) {
	if s.Trainer.Exec != nil {
		return nil, ErrScript
	}
	begun := time.Now()
	if watch == nil {
		watch = func(scenarios.Line, []string) {}
	}
	p := &play{s: s, watch: watch, sites: s.All(), rec: &scenarios.Recording{Scenario: s, Driver: scenarios.Simulated, Seed: uint64(s.Seed)}}
	if b := s.Trainer.Builtin; b != nil {
		dir, err := os.MkdirTemp("", "weft-scenario-")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if p.learning, err = learn.New(ctx, s, dir, p.note); err != nil {
			return nil, err
		}
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	if p.learning != nil {
		if p.rec.Curves, err = p.learning.Curves(p.rec); err != nil {
			return nil, err
		}
	}
	scenarios.Judge(p.rec)
	p.rec.Wall = time.Since(begun)
	return p.rec, nil
}

// play is one simulation under way.
type play struct {
	s        *scenarios.Scenario
	watch    Watch
	sites    []scenarios.Site
	rec      *scenarios.Recording
	world    *sim.World
	ids      []peer.ID      // of the sites
	learning *learn.Learner // nil: the trainer is synthetic
	away     int            // faults that are to be mended
	last     time.Duration
}

func (p *play) note(format string, args ...any) {
	p.watch(scenarios.Line{At: p.last, Site: -1, Event: trace.Noted{Words: fmt.Sprintf(format, args...)}}, nil)
}

func (p *play) run(ctx context.Context) (err error) {
	c, err := p.config()
	if err != nil {
		return err
	}
	if p.world, err = sim.New(c); err != nil {
		return err
	}
	for i := range p.sites {
		p.ids = append(p.ids, p.world.ID(i))
	}
	done := false
	for t := slice; !done && t <= time.Duration(p.s.Until); t += slice {
		if err = p.world.Run(t, func() bool { done = p.finished(); return done || ctx.Err() != nil }); err != nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.learning != nil && p.learning.Err() != nil {
			return p.learning.Err()
		}
		done = done || p.finished()
	}
	var broken *sim.Violation
	if errors.As(err, &broken) {
		p.rec.Broken = broken.Error()
	} else if err != nil {
		return err
	}
	p.rec.Took = min(p.world.Now(), time.Duration(p.s.Until))
	if done {
		p.rec.Took = p.last
	}
	p.collect()
	return nil
}

// config is the scenario as a world's configuration.
func (p *play) config() (sim.Config, error) {
	spec, _, err := p.s.Run.Spec(p.s.Name)
	if err != nil {
		return sim.Config{}, err
	}
	spec.Default(ledger.Newest)
	c := sim.Config{
		Seed: uint64(p.s.Seed), Faults: p.s.Faults, Protocol: ledger.Newest, Check: len(p.sites) <= checked, Observe: p.observe,
		Path: func(from, to int) sim.Path { return p.s.Path(p.sites[from].Group, p.sites[to].Group) },
		Plan: p.s.Plan(),
	}
	outside := p.s.Outside()
	for i, site := range p.sites {
		g := site.Group
		w := sim.Site{
			Name: site.Name, Outside: outside[i], Start: time.Duration(g.Starts), Sync: time.Duration(g.Disk), Slow: 1 / float64(g.Speed), Decline: g.Declines,
			Up: g.Link.Up.Bytes(), Down: g.Link.Down.Bytes(),
		}
		if g.Adversary != "" {
			w.Adversary = sim.NewAdversary(g.Adversary)
		}
		c.Sites = append(c.Sites, w)
	}
	selects := !spec.Selection.IsZero()
	if y := p.s.Trainer.Synthetic; y != nil {
		strategy, err := reduction.Strategy(&spec)
		if err != nil {
			return sim.Config{}, err
		}
		work := &sim.Synthetic{Bytes: int64(y.Bytes), Time: time.Duration(y.Time), Spread: float64(y.Spread), State: len(strategy.Slots()) > 0, Figures: selects}
		base := work.Spec(p.s.Name, spec.Rounds)
		spec.Base, spec.Layout = base.Base, base.Layout
		c.Workload = work
	} else {
		p.learning.Fill(&spec)
		c.Workload = p.learning
	}
	nonce := block.Sum(block.Raw, binary.BigEndian.AppendUint64([]byte(p.s.Name), uint64(p.s.Seed))).Digest()
	spec.Nonce = nonce[:16]
	c.Acts = []sim.Act{{At: scenarios.Opens, Site: p.opener(), Do: runs.OpenRun{Spec: &spec}}}
	return c, nil
}

// opener is the first honest site that is there from the start and takes part.
func (p *play) opener() int {
	outside := p.s.Outside()
	for i, site := range p.sites {
		if g := site.Group; g.Adversary == "" && !g.Declines && g.Starts == 0 && !outside[i] {
			return i
		}
	}
	return 0
}

// observe keeps what the report needs. Of a large mesh it leaves out what every site says of every
// other's update.
func (p *play) observe(at time.Duration, site int, t trace.Event) {
	l := scenarios.Line{At: at, Site: site, Event: t}
	var hit []string
	switch t := t.(type) {
	case trace.Fault:
		f := scenarios.FaultOf(at, t.Trouble, p.ids)
		for _, i := range f.Sites {
			hit = append(hit, p.sites[i].Name)
		}
		p.rec.Faults = append(p.rec.Faults, f)
		if t.Trouble.For > 0 {
			p.away++
		}
	case trace.Mended:
		p.away--
	case trace.Decided:
		p.last = at
	case trace.Held, trace.Ready, trace.HeightOpened, trace.Rejected, trace.Dropped:
		if len(p.sites) > checked {
			return
		}
	}
	if len(p.rec.Trace) < traceMost {
		p.rec.Trace = append(p.rec.Trace, l)
	}
	p.watch(l, hit)
}

// finished reports whether every honest site that is up has all rounds, and nothing is still to be mended.
func (p *play) finished() bool {
	if p.away > 0 || !p.world.Fulfilled() {
		return false
	}
	for i, site := range p.sites {
		if !p.world.Sits(i) {
			continue
		}
		if site.Group.Adversary != "" || !p.world.Up(i) {
			if p.world.Machine(i) == nil && site.Group.Adversary == "" {
				return false // it has yet to start
			}
			continue
		}
		runs := p.world.Machine(i).Ledger().Runs()
		if len(runs) == 0 || runs[0].Active() {
			return false
		}
		commits := runs[0].Commits
		if n := len(commits); !site.Group.Declines && n > 0 && !p.world.Holds(i, commits[n-1].Model) {
			return false
		}
	}
	return true
}

// collect takes down what every site has in the end.
func (p *play) collect() {
	for i, site := range p.sites {
		t := p.world.Traffic(i)
		r := scenarios.Record{
			Name: site.Name, ID: p.ids[i].String(), Region: site.Group.Region, Adversary: site.Group.Adversary, Up: p.world.Up(i), Out: !p.world.Sits(i),
			Sent:     scenarios.Traffic{Messages: t.MessagesSent, MessageBytes: t.MessageBytesSent, BlockBytes: t.BlockBytesSent},
			Received: scenarios.Traffic{Messages: t.MessagesReceived, MessageBytes: t.MessageBytesReceived, BlockBytes: t.BlockBytesReceived},
			Signed:   t.Signed, Verified: t.Verified, Deeds: p.world.Deeds(i),
		}
		if m := p.world.Machine(i); m != nil {
			for _, run := range m.Ledger().Runs() {
				r.Early = r.Early || run.Plateau > 0
				for _, c := range run.Commits {
					r.Models = append(r.Models, c.Model)
				}
			}
			r.Rounds = uint64(len(r.Models))
			for _, id := range m.Named() {
				r.Named = append(r.Named, m.Ledger().Name(id))
			}
		}
		p.rec.Sites = append(p.rec.Sites, r)
		row := make([]int64, len(p.sites))
		for j := range p.sites {
			row[j] = p.world.LinkBytes(i, j)
		}
		p.rec.Links = append(p.rec.Links, row)
	}
}
