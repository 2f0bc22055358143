package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

// strategy is a rule or an outer step as the command line shows it.
type strategy struct {
	Kind string `json:"kind"` // rule or outer
	aggregate.Entry
}

// strategies returns all that this program knows.
func strategies() (list []strategy) {
	for _, e := range aggregate.Rules() {
		list = append(list, strategy{"rule", e})
	}
	for _, e := range aggregate.Outers() {
		list = append(list, strategy{"outer", e})
	}
	return list
}

// summary is the first line of the text.
func (s strategy) summary() string {
	line, _, _ := strings.Cut(s.Doc, "\n")
	return line
}

func newStrategy(e *env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "strategy",
		Short: "Show the rules and outer steps that make a round's model",
		Example: `  weft strategy list
  weft strategy show nesterov`,
	}, newStrategyList(e), newStrategyShow(e))
}

// strategyList is `weft strategy list`.
type strategyList struct{}

func newStrategyList(e *env) *cobra.Command {
	c := &strategyList{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The rules and outer steps that this weft knows",
		Args:  cobra.NoArgs,
		RunE:  e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *strategyList) run(_ context.Context, e *env, _ []string) error {
	list := strategies()
	if e.json {
		return e.printJSON(list)
	}
	t := term.NewTable(term.Column{Name: "kind"}, term.Column{Name: "name"}, term.Column{Name: "what it does", Wrap: true}, term.Column{Name: "parameters", Wrap: true})
	for _, s := range list {
		var params []string
		for _, p := range s.Params {
			params = append(params, p.Name+"="+p.Default)
		}
		t.Row(s.Kind, s.Name, s.summary(), strings.Join(params, " "))
	}
	e.out.Printf("%s", t.Text(e.out.Columns(), e.out.Dim))
	return nil
}

// strategyShow is `weft strategy show`.
type strategyShow struct{}

func newStrategyShow(e *env) *cobra.Command {
	c := &strategyShow{}
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "What a rule or an outer step computes, and its parameters",
		Example: "  weft strategy show clip",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			for _, s := range strategies() {
				names = append(names, s.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: e.runs(c.run),
	}
	e.jsonFlag(cmd)
	return cmd
}

func (c *strategyShow) run(_ context.Context, e *env, args []string) error {
	found := slices.DeleteFunc(strategies(), func(s strategy) bool { return s.Name != args[0] })
	if len(found) == 0 {
		return fail(nil, "`weft strategy list` names them", "this weft knows no rule and no outer step %q", args[0])
	}
	if e.json {
		return e.printJSON(found)
	}
	for _, s := range found {
		e.out.Printf("%s", strategyText(e.out, s))
	}
	return nil
}

// strategyText is a strategy for people: what it computes, and a table of its parameters.
func strategyText(out *term.Out, s strategy) string {
	text := s.Kind + " " + s.Name + ": " + s.Doc + "\n"
	if len(s.Params) == 0 {
		return text
	}
	t := term.NewTable(term.Column{Name: "parameter"}, term.Column{Name: "default"}, term.Column{Name: "range"}, term.Column{Name: "meaning", Wrap: true})
	for _, p := range s.Params {
		within := p.Range
		if p.Word != "" {
			within += " or " + p.Word
		}
		t.Row(p.Name, p.Default, within, p.Doc)
	}
	return text + "\n" + t.Text(out.Columns(), out.Dim)
}
