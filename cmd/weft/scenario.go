//go:build !node

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
)

func newScenario(e *env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "scenario",
		Short: "Try a mesh on paper: sites, links, faults, expectations",
		Example: `  weft scenario list
  weft scenario run three-hospitals
  weft scenario new > mine.yaml     then: weft scenario run mine.yaml`,
	}, newScenarioRun(e), newScenarioList(e), newScenarioNew(e))
}

// scenarioList is `weft scenario list`.
type scenarioList struct{}

func newScenarioList(e *env) *cobra.Command {
	c := &scenarioList{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The scenarios that weft brings along",
		Args:  cobra.NoArgs,
		RunE:  e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *scenarioList) run(_ context.Context, e *env, _ []string) error {
	all, err := library.All()
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(all)
	}
	t := term.NewTable(term.Column{Name: "name"}, term.Column{Name: "what it shows", Wrap: true})
	for _, s := range all {
		t.Row(s.Name, s.About)
	}
	e.out.Printf("%s", t.Text(e.out.Columns(), e.out.Dim))
	return nil
}

func newScenarioNew(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "new",
		Short:   "Print a commented scenario file to begin with",
		Example: "  weft scenario new > mine.yaml",
		Args:    cobra.NoArgs,
		Run:     func(*cobra.Command, []string) { e.out.Printf("%s", scenarios.Template()) },
	}
}

// completeScenario offers the library; files complete too.
func completeScenario(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := library.All()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, s := range all {
		names = append(names, cobra.CompletionWithDesc(s.Name, s.About))
	}
	return names, cobra.ShellCompDirectiveDefault
}
