package real

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/netem"
)

const (
	turnEvery = 50 * time.Millisecond  // looks at the traces
	askEvery  = 500 * time.Millisecond // questions to the nodes
	askWait   = 2 * time.Second        // for an answer
	openWait  = time.Minute            // for the answer to the request for a run, whose first model is made meanwhile
)

// Run runs a mesh of real nodes. It leaves nothing behind, however it ends; what an earlier run that was killed
// has left it removes. see is told what the nodes say of themselves, now and then.
func Run(ctx context.Context, c Config, see func(at time.Duration, last []*api.Status)) (_ *Result, err error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	f, err := newFolder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	bed, kind, err := c.open()
	if err != nil {
		return nil, err
	}
	defer bed.Close()
	m, err := c.found(f.dir, bed)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	carry, stop := context.WithCancel(ctx)
	group.Go(func() error { return bed.Run(carry) })
	var run *runner
	group.Go(func() error {
		defer stop()
		run = newRunner(&c, m, bed, see)
		err := errors.Join(run.play(ctx), m.Close(), run.read())
		return errors.Join(err, run.close())
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	run.result.Bed = kind
	return run.result, nil
}

// found makes the sites' directories.
func (c *Config) found(dir string, bed netem.TestBed) (*local.Mesh, error) {
	mesh := local.Config{Exe: c.Exe, Dir: dir, Name: "scenario", Faults: c.Faults, Reach: bed.Reach}
	terms, _ := c.Run.Spec.Selection.Read() // it was checked
	for i, s := range c.Sites {
		site := local.Site{Name: s.Name, Trainer: s.Trainer, Outside: s.Outside, Evaluate: !c.Run.Spec.Selection.IsZero(), Cross: terms.Cross != ""}
		if c.Models != "" {
			site.Keep = int(c.Run.Spec.Rounds) + 1
		}
		if s.Decline {
			site.Accept = "ask" // and nobody answers
		}
		bed.Place(i, &site)
		mesh.Sites = append(mesh.Sites, site)
	}
	return local.New(mesh)
}
