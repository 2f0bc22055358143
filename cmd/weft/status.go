package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node/api"
)

// watchEvery is the time between two looks at the node.
const watchEvery = 500 * time.Millisecond

// status is `weft status`.
type status struct{ watch bool }

func newStatus(e *env) *cobra.Command {
	c := &status{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where the site stands: mesh, runs, rounds",
		Example: `  weft status
  weft status --watch          refresh in place until Ctrl-C
  weft status --json | jq .runs[-1].done`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "refresh in place; a line for each change where output is no terminal")
	e.jsonFlag(cmd)
	return cmd
}

func (c *status) run(ctx context.Context, e *env, _ []string) error {
	switch {
	case c.watch && e.json:
		return usage("--watch and --json exclude each other; for a stream, poll or read the events")
	case c.watch:
		return watchStatus(ctx, e, "")
	}
	look := func(ctx context.Context) (*api.Status, error) { return e.client().Recent(ctx, historyShown) }
	if e.json {
		look = e.client().Status
	}
	s, err := look(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(s)
	}
	e.out.Printf("%s", statusText(e.out, s, ""))
	return nil
}

// watchStatus shows the status until ctx ends, or until the run named by id is over.
func watchStatus(ctx context.Context, e *env, id string) error {
	var mu sync.Mutex
	text, last := "", ""
	frame := func() string {
		mu.Lock()
		defer mu.Unlock()
		return text
	}
	return e.out.Live(ctx, frame, func(ctx context.Context) error {
		c := e.client()
		for {
			s, err := c.Recent(ctx, historyShown)
			if err != nil {
				return err
			}
			if line := statusLine(s, id); !e.out.TTY && line != last {
				e.out.Println(line)
				last = line
			}
			mu.Lock()
			text = statusText(e.out, s, id)
			mu.Unlock()
			if r := findRun(s, id); id != "" && r != nil && over(r.Phase) && !r.Unmeasured {
				return nil
			}
			if err := sleep(ctx, watchEvery); err != nil {
				return err
			}
		}
	})
}

// over reports whether a run in this phase changes no more.
func over(p api.Phase) bool { return p == api.PhaseDone || p == api.PhaseStopped }

// findRun returns the run with that ID, or nil.
func findRun(s *api.Status, id string) *api.RunStatus {
	for i := range s.Runs {
		if s.Runs[i].ID.String() == id {
			return &s.Runs[i]
		}
	}
	return nil
}

// statusLine says in one line what a log should have of a status; it differs when the status does. Without an ID it is
// about the runs that go on and the newest that is over.
func statusLine(s *api.Status, id string) string {
	line := fmt.Sprintf("height %d, %d of %d sites up", s.Height, s.Up, s.Sites)
	ended := -1 // the newest run that is over
	for i := range s.Runs {
		if over(s.Runs[i].Phase) {
			ended = i
		}
	}
	for i := range s.Runs {
		r := &s.Runs[i]
		if id != "" && r.ID.String() != id || id == "" && over(r.Phase) && i != ended {
			continue
		}
		line += fmt.Sprintf(", %s: %s %s", r.Name, roundText(r), r.Phase)
		if r.Waits != "" {
			line += ", waits for " + r.Waits
		}
		if r.Newest != nil {
			line += fmt.Sprintf(", newest model %s", r.Newest.Model.Short())
		}
	}
	return line
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
