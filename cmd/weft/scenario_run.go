//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
	"github.com/weft-mesh/weft/scenarios/play/real"
	"github.com/weft-mesh/weft/scenarios/play/simulated"
	"github.com/weft-mesh/weft/scenarios/report"
	"github.com/weft-mesh/weft/yamlfile"
)

// scenarioRun is `weft scenario run`.
type scenarioRun struct {
	seed   uint64
	sites  int
	hurry  float64
	resize bool // to so many sites
	report string
	real   bool
}

func newScenarioRun(e *env) *cobra.Command {
	c := &scenarioRun{}
	cmd := &cobra.Command{
		Use:   "run FILE|NAME",
		Short: "Play a scenario in virtual time and hold it to what it expects",
		Long: `Play a scenario, of a file or of the library, in virtual time: the protocol as nodes run it,
with the sites, links and faults of the file. The same seed gives the same run. At the end
a page with pictures is written. The exit code is 1 if an expectation did not hold.

With --real it is played again with a node process for each site, which takes as long as the
scenario says; --hurry shortens trainings and timeline, for both. A scenario whose trainer
is a script is played with real nodes only, the script run where the command is given.`,
		Example: `  weft scenario run three-hospitals
  weft scenario run ./mine.yaml --seed 7 --report mine.html
  weft scenario run two-hundred --sites 40
  weft scenario run partition-heals --sites 4 --real --hurry 10`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.resize = cmd.Flags().Changed("sites")
			return c.run(cmd.Context(), e, args)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&c.seed, "seed", 0, "seed of all chance (default: the scenario's)")
	f.IntVar(&c.sites, "sites", 0, "how many sites: the largest group grows or shrinks")
	f.Float64Var(&c.hurry, "hurry", 1, "trainings and the timeline take so many times less; links stay as they are")
	f.StringVar(&c.report, "report", "", "where to write the page, - for standard output (default NAME.html; with --json none)")
	f.BoolVar(&c.real, "real", false, "then run it with real nodes on this machine, in real time, and show both")
	e.jsonFlag(cmd)
	return cmd
}

// scenario is the one that is asked for, with the flags' changes.
func (c *scenarioRun) scenario(name string) (*scenarios.Scenario, error) {
	s, err := library.Open(name)
	if err == nil && c.resize {
		if err = s.Resize(c.sites); err != nil {
			return nil, usage("%s: %v", name, err)
		}
	}
	switch {
	case errors.Is(err, library.ErrUnknown):
		return nil, advised(&failure{kind: errUsage, text: err.Error()}, "weft scenario list names those of the library; ./FILE is a file")
	case errors.Is(err, scenarios.ErrScenario):
		return nil, advised(&failure{kind: errUsage, text: err.Error()}, "weft scenario new prints a commented file; docs/scenarios.md describes every field")
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("%v", err)
	case err != nil:
		return nil, err
	}
	if c.seed != 0 {
		s.Seed = yamlfile.Count(c.seed)
	}
	if !(c.hurry >= 1 && c.hurry <= 1e6) {
		return nil, usage("--hurry %v: want 1 or more", c.hurry)
	}
	s.Hurry(c.hurry)
	return s, nil
}

func (c *scenarioRun) run(ctx context.Context, e *env, args []string) error {
	name := args[0]
	if e.json && outfile.IsStdout(c.report) {
		return usage("--json and --report - both write to standard output")
	}
	s, err := c.scenario(name)
	if err != nil {
		return err
	}
	if c.report == "" && !e.json {
		c.report = s.Name + ".html"
	}
	if s.Trainer.Exec != nil && !c.real {
		return advised(&failure{kind: errUsage, text: name + ": trainer.exec", err: simulated.ErrScript}, "--real plays it with a node for each site on this machine")
	}
	if c.real {
		if err := real.Check(s); err != nil {
			return advised(&failure{kind: errUsage, text: name, err: locate(name, err)}, "without --real it can be simulated")
		}
	}
	var page *outfile.File // opened before it takes hours to fill
	if c.report != "" {
		if page, err = outfile.Create(c.report, e.out); err != nil {
			return err
		}
		defer page.Discard()
	}
	recs, err := c.play(ctx, e.err, s)
	if len(recs) == 0 {
		return err
	}
	for _, rec := range recs { // the simulated one is worth having even if real nodes did not come to an end
		rec.Replay, rec.Version = c.replay(name, rec.Seed), version()
	}
	if page != nil {
		if failed := writePage(page, recs); failed != nil { // what came of it can be told all the same
			err, c.report = errors.Join(err, failed), ""
		}
	}
	return errors.Join(err, c.tell(e, recs))
}

// writePage writes the page with pictures, whole or not at all.
func writePage(page *outfile.File, recs []*scenarios.Recording) error {
	if err := report.Write(page, recs...); err != nil {
		return err
	}
	return page.Commit()
}

// play returns a recording for each player that came to an end, and what ended the others.
func (c *scenarioRun) play(ctx context.Context, out *term.Out, s *scenarios.Scenario) (recs []*scenarios.Recording, err error) {
	v := newScenarioView(s, out)
	err = out.Live(ctx, v.frame, func(ctx context.Context) error {
		var rec *scenarios.Recording // to compare with
		if s.Trainer.Exec == nil {
			var err error
			if rec, err = simulated.Play(ctx, s, v.watch); err != nil {
				return err
			}
			recs = append(recs, rec)
		}
		if !c.real {
			return nil
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		again, err := real.Play(ctx, s, rec, exe, "", v.nodes)
		if err == nil {
			recs = append(recs, again)
		}
		return err
	})
	return recs, err
}

// locate says in which line a file asks for what cannot be done to real nodes. Of the library there is no file.
func locate(name string, err error) error {
	var no *real.Impossible
	if data, errRead := os.ReadFile(name); errRead == nil && errors.As(err, &no) {
		return no.Locate(name, data)
	}
	return err
}

// replay is the command that plays it again.
func (c *scenarioRun) replay(name string, seed uint64) string {
	again := fmt.Sprintf("weft scenario run %s --seed %d", hint.Shell(name), seed)
	if c.sites != 0 {
		again += fmt.Sprintf(" --sites %d", c.sites)
	}
	if c.hurry != 1 {
		again += fmt.Sprintf(" --hurry %v", c.hurry)
	}
	if c.real {
		again += " --real"
	}
	return again
}

// tell says what came of it; that an expectation did not hold is an error.
func (c *scenarioRun) tell(e *env, recs []*scenarios.Recording) (err error) {
	out := e.out
	if outfile.IsStdout(c.report) {
		out = e.err
	}
	held := true
	for _, rec := range recs {
		held = held && rec.Held()
		if !e.json {
			out.Printf("%s", scenarioSummary(rec, out, c.report))
		}
	}
	if !e.json && len(recs) > 1 {
		out.Printf("%s", sideBySide(recs, out))
	}
	switch {
	case e.json && c.real:
		err = e.printJSON(recs)
	case e.json:
		err = e.printJSON(recs[0])
	}
	if err == nil && !held {
		err = fail(nil, "the report shows when and where", "%s: not all expectations held", recs[0].Scenario.Name)
	}
	return err
}
