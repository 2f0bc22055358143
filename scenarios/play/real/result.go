package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// Result is what a run has left.
type Result struct {
	Bed    netem.Kind
	Took   time.Duration // until every site was done, or the run's time was up
	Done   bool          // every site that was up at the end had every round
	Run    block.CID
	IDs    []peer.ID
	Up     []bool            // at the end
	Last   []*api.Status     // what each node said last, nil: nothing
	Blocks []Moved           // by each site, in all its lives
	Links  [][]shape.Traffic // [from][to]
	Trace  []scenarios.Line  // by time
}

// Moved is bytes of blocks.
type Moved struct{ Sent, Received int64 }

// export writes down the models of all rounds, each from a site that holds it.
func (run *runner) export(ctx context.Context) error {
	if run.config.Models == "" {
		return nil
	}
	done := map[block.CID]bool{}
	for i, last := range run.result.Last {
		if last == nil || run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		for _, r := range last.Runs {
			for _, h := range r.History {
				if !h.Held || done[h.Model] {
					continue
				}
				if err := run.save(ctx, run.nodes[i], h.Model); err != nil {
					return fmt.Errorf("model of round %d from %s: %w", h.Round, run.nodes[i].Name, err)
				}
				done[h.Model] = true
			}
		}
	}
	return nil
}

func (run *runner) save(ctx context.Context, n *local.Node, model block.CID) error {
	r, err := n.Client.Model(ctx, block.CID{}, model)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(run.config.Models, model.String()+".safetensors"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// count takes what the links have carried.
func (run *runner) count() error {
	for from, n := range run.nodes {
		run.result.IDs, run.result.Up = append(run.result.IDs, n.ID), append(run.result.Up, n.Running())
		row := make([]shape.Traffic, len(run.nodes))
		for to := range row {
			if from == to {
				continue
			}
			var err error
			if row[to], err = run.bed.Traffic(from, to); err != nil {
				return err
			}
		}
		run.result.Links = append(run.result.Links, row)
	}
	return nil
}
