package main

import (
	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/library"
)

func (a *app) scenarioCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scenario",
		Short: "Try a mesh on paper: sites, links, faults, expectations",
		Example: `  weft scenario list
  weft scenario run three-hospitals
  weft scenario new > mine.yaml     then: weft scenario run mine.yaml`,
		RunE: group,
	}
	cmd.AddCommand(a.scenarioRunCmd(), a.scenarioListCmd(), a.scenarioNewCmd())
	return cmd
}

func (a *app) scenarioListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The scenarios that weft brings along",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := library.All()
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(all)
			}
			t := term.NewTable(term.Column{Name: "name"}, term.Column{Name: "what it shows", Wrap: true})
			for _, s := range all {
				t.Row(s.Name, s.About)
			}
			a.out.Printf("%s", t.Text(a.out.Columns(), a.out.Dim))
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) scenarioNewCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "new",
		Short:   "Print a commented scenario file to begin with",
		Example: "  weft scenario new > mine.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.out.Printf("%s", scenarios.Template())
			return nil
		},
	}
}
