package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/learn"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/yamlfile"
)

// Impossible is something in a scenario that cannot be done to real processes. It is ErrImpossible.
type Impossible struct {
	Key string // where it stands in the file, such as timeline[2]
	Why string
}

func (e *Impossible) Error() string { return e.Key + ": " + ErrImpossible.Error() + ": " + e.Why }

// Is reports whether target is ErrImpossible.
func (e *Impossible) Is(target error) bool { return target == ErrImpossible }

// Locate says in which line of its file a scenario asks for the impossible.
func (e *Impossible) Locate(file string, data []byte) error {
	var s scenarios.Scenario
	f, err := yamlfile.Decode(file, data, scenarios.MaxFile, &s)
	if err != nil {
		return e
	}
	return fmt.Errorf("%w: %w", ErrImpossible, f.Wrong(e.Key, "%s", e.Why))
}

// Check returns an *Impossible for the first thing in a scenario that can only be simulated.
func Check(s *scenarios.Scenario) error {
	for i, g := range s.Sites {
		if g.Adversary != "" {
			return &Impossible{fmt.Sprintf("sites[%d].adversary", i), "a real node keeps to the protocol"}
		}
	}
	if s.Trainer.Builtin != nil && s.Data.Partition != scenarios.BySource {
		return &Impossible{"data.partition", "real nodes train on text of one kind each; want by-source"}
	}
	for i, h := range s.Timeline {
		if why := impossible[h.Fault]; why != "" {
			return &Impossible{fmt.Sprintf("timeline[%d].fault", i), why}
		}
	}
	return nil
}

// Play runs a scenario with real nodes, processes of the weft binary exe. It takes as long as the scenario says. What
// training alone and on all text would have come to it takes from a simulation of the same, which may be nil.
// Its errors are *Impossible for what can only be simulated, before anything has started, and ctx's. What the recording calls messages are all bytes on the links that were
// not blocks, their headers included; they are not counted one by one.
func Play(ctx context.Context, s *scenarios.Scenario, simulated *scenarios.Recording, exe string, bed netem.Kind, watch func(at time.Duration, last []*api.Status)) (_ *scenarios.Recording, err error) {
	if err := Check(s); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "weft-scenario-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := configure(s, exe, dir)
	if err != nil {
		return nil, err
	}
	c.Bed = bed
	if s.Trainer.Builtin != nil {
		c.Models = dir
	}
	begun := time.Now()
	r, err := Run(ctx, c, watch)
	if err != nil {
		return nil, err
	}
	rec := record(s, r)
	rec.Wall = time.Since(begun)
	if c.Models != "" {
		if err := learn.Measure(ctx, rec, c.Models, simulated); err != nil {
			return nil, err
		}
	}
	scenarios.Judge(rec)
	return rec, nil
}

// configure is the scenario as a mesh of real nodes. The sites' parts of a file of data are written to dir.
func configure(s *scenarios.Scenario, exe, dir string) (Config, error) {
	spec, _, err := s.Run.Spec(s.Name)
	if err != nil {
		return Config{}, err
	}
	sites := s.All()
	c := Config{
		Exe: exe, Seed: uint64(s.Seed), Faults: s.Faults, Opens: scenarios.Opens, Until: time.Duration(s.Until), Plan: s.Plan(),
		Run: api.RunRequest{Spec: spec, Init: true},
		Path: func(from, to int) shape.Path {
			p := s.Path(sites[from].Group, sites[to].Group)
			return shape.Path{Latency: p.Latency, Jitter: p.Jitter, Loss: p.Loss, Duplicate: p.Duplicate, Bandwidth: int64(p.Bandwidth)}
		},
	}
	trainers, err := trainersOf(s, dir)
	if err != nil {
		return c, err
	}
	c.Strict = s.Trainer.Exec != nil
	outside := s.Outside()
	for i, site := range sites {
		g := site.Group
		c.Sites = append(c.Sites, Site{
			Name: site.Name, Trainer: trainers[i], Start: time.Duration(g.Starts), Decline: g.Declines, Outside: outside[i],
			Access: shape.Access{Up: int64(g.Link.Up.Bytes()), Down: int64(g.Link.Down.Bytes())},
		})
	}
	return c, nil
}

// record is what a run has left, as every player of scenarios records it.
func record(s *scenarios.Scenario, r *Result) *scenarios.Recording {
	rec := &scenarios.Recording{Scenario: s, Driver: scenarios.Real, Seed: uint64(s.Seed), Took: r.Took, Trace: r.Trace}
	for _, l := range r.Trace {
		switch e := l.Event.(type) {
		case trace.Fault:
			rec.Faults = append(rec.Faults, scenarios.FaultOf(l.At, e.Trouble, r.IDs))
		case trace.Decided:
			if r.Done {
				rec.Took = l.At
			}
		}
	}
	for i, site := range s.All() {
		x := scenarios.Record{Name: site.Name, ID: r.IDs[i].String(), Region: site.Group.Region, Up: r.Up[i]}
		row := make([]int64, len(r.Links))
		for j := range r.Links {
			row[j] = r.Links[i][j].Bytes
			x.Sent.MessageBytes += row[j]
			x.Received.MessageBytes += r.Links[j][i].Bytes
		}
		split(&x.Sent, r.Blocks[i].Sent)
		split(&x.Received, r.Blocks[i].Received)
		if last := r.Last[i]; last != nil {
			x.Named, x.Out = last.Named, last.Observes
			x.Models = models(last, r)
			x.Rounds = uint64(len(x.Models))
			x.Early = slices.ContainsFunc(last.Runs, func(run api.RunStatus) bool { return run.Early })
		}
		rec.Sites, rec.Links = append(rec.Sites, x), append(rec.Links, row)
	}
	return rec
}

// split takes a site's blocks out of all that it moved.
func split(t *scenarios.Traffic, blocks int64) {
	t.BlockBytes = min(blocks, t.MessageBytes)
	t.MessageBytes -= t.BlockBytes
}

// models are those of the rounds that a site has in its ledger.
func models(s *api.Status, r *Result) (all []block.CID) {
	for i := range s.Runs {
		if s.Runs[i].ID == r.Run {
			for _, h := range s.Runs[i].History {
				all = append(all, h.Model)
			}
		}
	}
	return all
}
