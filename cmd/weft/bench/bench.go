package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
)

// MaxSites is how many nodes one machine is asked to run.
const MaxSites = 64

const pollEvery = 100 * time.Millisecond

// Config is what to measure.
type Config struct {
	Exe    string // the weft binary, for the nodes
	Dir    string // empty folder for the sites' directories
	Sites  int
	Bytes  uint64 // of an update
	Rounds int
	Train  time.Duration // of the pretended training
}

// Validate says what is wrong with the configuration, if anything.
func (c *Config) Validate() error {
	switch {
	case c.Sites < 1 || c.Sites > MaxSites:
		return fmt.Errorf("%d sites, want 1 to %d", c.Sites, MaxSites)
	case c.Bytes < 1 || c.Bytes > 1<<40:
		return fmt.Errorf("an update of %d bytes, want 1 B to 1 TiB", c.Bytes)
	case c.Rounds < 1 || c.Rounds > 10_000:
		return fmt.Errorf("%d rounds, want 1 to 10000", c.Rounds)
	case c.Train < 0 || c.Train > time.Hour:
		return fmt.Errorf("a training of %v, want 0 to 1h", c.Train)
	}
	return nil
}

// Result is what was measured.
type Result struct {
	Sites  int     `json:"sites"`
	Bytes  uint64  `json:"bytes"` // of an update
	Rounds []Round `json:"rounds"`
	// Exchange is what `weft bench exchange` gives here, bytes a second from store to store, and Limit how long all updates
	// take at that rate to be at all sites: on one machine they share it.
	Exchange Quartiles     `json:"exchange_bytes_per_s"`
	Limit    time.Duration `json:"limit_ns"`
	Nodes    []Node        `json:"nodes"`
}

// Round is a round's time. Phases are those of the slowest site, so they may sum to more than Took.
type Round struct {
	Round  uint64                      `json:"round"`
	Took   time.Duration               `json:"took_ns"`
	Phases map[api.Phase]time.Duration `json:"phases_ns"`
}

// Node is what a node used.
type Node struct {
	Site     string `json:"site"`
	Memory   uint64 `json:"memory"` // peak resident set, bytes
	Sent     int64  `json:"sent"`   // bytes of blocks
	Received int64  `json:"received"`
}

// Run measures; progress is told how many rounds are done.
func Run(ctx context.Context, c Config, progress func(done int)) (_ *Result, err error) {
	mesh := local.Config{Exe: c.Exe, Dir: c.Dir, Name: "bench", Faults: ledger.Byzantine}
	for i := range c.Sites {
		mesh.Sites = append(mesh.Sites, local.Site{
			Name:    fmt.Sprintf("site-%d", i+1),
			Trainer: fmt.Sprintf("{synthetic: {bytes: %d, time: %s}}", c.Bytes, c.Train),
		})
	}
	m, err := local.New(mesh)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for _, n := range m.Nodes {
		if err := n.Start(); err != nil {
			return nil, err
		}
	}
	for _, n := range m.Nodes {
		if err := n.Ready(ctx); err != nil {
			return nil, err
		}
	}
	reply, err := m.Nodes[0].Client.Start(ctx, api.RunRequest{
		Spec: ledger.RunSpec{Name: "bench", Rounds: uint64(c.Rounds), MinSites: uint64(c.Sites)}, Init: true,
	})
	if err != nil {
		return nil, err
	}
	last, err := follow(ctx, m, reply.Run, c.Rounds, progress)
	if err != nil {
		return nil, err
	}
	r := summarise(c, last, reply.Run)
	if err := m.Close(); err != nil {
		return nil, err
	}
	return r, r.limit(ctx, c)
}

// limit measures the exchange, and what it would take of a round.
func (r *Result) limit(ctx context.Context, c Config) error {
	const most, turns = 256 << 20, 3
	dir, err := os.MkdirTemp(c.Dir, "exchange-")
	if err != nil {
		return err
	}
	x, err := Exchange{Dir: dir, Bytes: min(max(c.Bytes, least), most), Turns: turns}.Run(ctx, func(int) {})
	if err != nil {
		return fmt.Errorf("measure the exchange: %w", err)
	}
	r.Exchange = x.Ways[len(x.Ways)-1].Rate
	r.Limit = time.Duration(float64(c.Sites) * float64(c.Sites-1) * float64(c.Bytes) / r.Exchange.Median * float64(time.Second))
	return nil
}

// follow waits until every node has committed every round and returns their last status.
func follow(ctx context.Context, m *local.Mesh, id block.CID, rounds int, progress func(int)) ([]*api.Status, error) {
	last := make([]*api.Status, len(m.Nodes))
	for {
		least := rounds
		for i, n := range m.Nodes {
			if err := n.Check(); err != nil {
				return nil, err
			}
			s, err := n.Client.Full(ctx)
			if err != nil {
				return nil, fmt.Errorf("ask %s: %w", n.Name, err)
			}
			last[i] = s
			done := 0
			if r := runOf(s, id); r != nil {
				done = len(r.History)
			}
			least = min(least, done)
		}
		progress(least)
		if least == rounds {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

func runOf(s *api.Status, id block.CID) *api.RunStatus {
	for i := range s.Runs {
		if s.Runs[i].ID == id {
			return &s.Runs[i]
		}
	}
	return nil
}

func summarise(c Config, last []*api.Status, id block.CID) *Result {
	r := &Result{Sites: c.Sites, Bytes: c.Bytes}
	for n := range c.Rounds {
		sum := Round{Round: uint64(n + 1), Phases: map[api.Phase]time.Duration{}}
		for _, s := range last {
			h := runOf(s, id).History[n]
			sum.Took = max(sum.Took, h.Took)
			for p, d := range h.Phases {
				sum.Phases[p] = max(sum.Phases[p], d)
			}
		}
		r.Rounds = append(r.Rounds, sum)
	}
	for _, s := range last {
		r.Nodes = append(r.Nodes, Node{s.Site, s.Memory, s.Sent, s.Received})
	}
	return r
}
