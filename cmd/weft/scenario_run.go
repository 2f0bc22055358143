package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
	"github.com/weft-mesh/weft/scenarios/play/real"
	"github.com/weft-mesh/weft/scenarios/play/simulated"
	"github.com/weft-mesh/weft/scenarios/report"
	"github.com/weft-mesh/weft/yamlfile"
)

// playing is what `weft scenario run` was asked for.
type playing struct {
	seed   uint64
	sites  int
	hurry  float64
	resize bool // to so many sites
	report string
	real   bool
}

func (a *app) scenarioRunCmd() *cobra.Command {
	var p playing
	cmd := &cobra.Command{
		Use:   "run FILE|NAME",
		Short: "Play a scenario in virtual time and hold it to what it expects",
		Long: `Play a scenario, of a file or of the library, in virtual time: the protocol as nodes run it,
with the sites, links and faults of the file. The same seed gives the same run. At the end
a page with pictures is written. The exit code is 1 if an expectation did not hold.

With --real it is played again with a node process for each site, which takes as long as the
scenario says; --hurry shortens trainings and timeline, for both.`,
		Example: `  weft scenario run three-hospitals
  weft scenario run ./mine.yaml --seed 7 --report mine.html
  weft scenario run two-hundred --sites 40
  weft scenario run partition-heals --sites 4 --real --hurry 10`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json && outfile.IsStdout(p.report) {
				return usage("--json and --report - both write to standard output")
			}
			p.resize = cmd.Flags().Changed("sites")
			s, err := p.scenario(args[0])
			if err != nil {
				return err
			}
			return a.playScenario(cmd.Context(), s, p, args[0])
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&p.seed, "seed", 0, "seed of all chance (default: the scenario's)")
	f.IntVar(&p.sites, "sites", 0, "how many sites: the largest group grows or shrinks")
	f.Float64Var(&p.hurry, "hurry", 1, "trainings and the timeline take so many times less; links stay as they are")
	f.StringVar(&p.report, "report", "", "where to write the page, - for standard output (default NAME.html; with --json none)")
	f.BoolVar(&p.real, "real", false, "then run it with real nodes on this machine, in real time, and show both")
	a.jsonFlag(cmd)
	return cmd
}

// scenario is the one that is asked for, with the flags' changes.
func (p *playing) scenario(name string) (*scenarios.Scenario, error) {
	s, err := library.Open(name)
	if err == nil && p.resize {
		if err = s.Resize(p.sites); err != nil {
			return nil, usage("%s: %v", name, err)
		}
	}
	switch {
	case errors.Is(err, library.ErrUnknown):
		return nil, &failure{kind: errUsage, text: err.Error(), hint: "weft scenario list names those of the library; ./FILE is a file"}
	case errors.Is(err, scenarios.ErrScenario):
		return nil, &failure{kind: errUsage, text: err.Error(), hint: "weft scenario new prints a commented file; docs/scenarios.md describes every field"}
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("%v", err)
	case err != nil:
		return nil, err
	}
	if p.seed != 0 {
		s.Seed = yamlfile.Count(p.seed)
	}
	if !(p.hurry >= 1 && p.hurry <= 1e6) {
		return nil, usage("--hurry %v: want 1 or more", p.hurry)
	}
	s.Hurry(p.hurry)
	return s, nil
}

func (a *app) playScenario(ctx context.Context, s *scenarios.Scenario, p playing, name string) error {
	if p.report == "" && !a.json {
		p.report = s.Name + ".html"
	}
	if p.real {
		if err := real.Check(s); err != nil {
			return &failure{kind: errUsage, text: name, err: locate(name, err), hint: "without --real it can be simulated"}
		}
	}
	var page *outfile.File // opened before it takes hours to fill
	if p.report != "" {
		var err error
		if page, err = outfile.Create(p.report, a.out); err != nil {
			return err
		}
		defer page.Discard()
	}
	recs, err := a.play(ctx, s, p)
	if len(recs) == 0 {
		return err
	}
	for _, rec := range recs { // the simulated one is worth having even if real nodes did not come to an end
		rec.Replay, rec.Version = p.replay(name, rec.Seed), version()
	}
	if page != nil {
		failed := report.Write(page, recs...)
		if failed == nil {
			failed = page.Commit()
		}
		if failed != nil { // what came of it can be told all the same
			err, p.report = errors.Join(err, failed), ""
		}
	}
	return errors.Join(err, a.tellScenario(recs, p))
}

// play returns a recording for each player that came to an end, and what ended the others.
func (a *app) play(ctx context.Context, s *scenarios.Scenario, p playing) (recs []*scenarios.Recording, err error) {
	v := newScenarioView(s, a.err)
	err = a.err.Live(ctx, v.frame, func(ctx context.Context) error {
		rec, err := simulated.Play(ctx, s, v.watch)
		if err != nil {
			return err
		}
		if recs = append(recs, rec); !p.real {
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
func (p *playing) replay(name string, seed uint64) string {
	again := fmt.Sprintf("weft scenario run %s --seed %d", name, seed)
	if p.sites != 0 {
		again += fmt.Sprintf(" --sites %d", p.sites)
	}
	if p.hurry != 1 {
		again += fmt.Sprintf(" --hurry %v", p.hurry)
	}
	if p.real {
		again += " --real"
	}
	return again
}

// tellScenario says what came of it; that an expectation did not hold is an error.
func (a *app) tellScenario(recs []*scenarios.Recording, p playing) (err error) {
	out := a.out
	if outfile.IsStdout(p.report) {
		out = a.err
	}
	held := true
	for _, rec := range recs {
		held = held && rec.Held()
		if !a.json {
			out.Printf("%s", scenarioSummary(rec, out, p.report))
		}
	}
	if !a.json && len(recs) > 1 {
		out.Printf("%s", sideBySide(recs, out))
	}
	switch {
	case a.json && p.real:
		err = a.printJSON(recs)
	case a.json:
		err = a.printJSON(recs[0])
	}
	if err == nil && !held {
		err = fail(nil, "the report shows when and where", "%s: not all expectations held", recs[0].Scenario.Name)
	}
	return err
}
