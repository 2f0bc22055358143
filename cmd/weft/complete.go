package main

import (
	"context"

	"github.com/spf13/cobra"
)

// completeRuns offers the runs of that kind that the node knows, for the first argument; none where it does not run.
func (e *env) completeRuns(kind runKind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return e.runNames(cmd.Context(), kind), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRunFlag offers all runs.
func (e *env) completeRunFlag(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return e.runNames(cmd.Context(), runAny), cobra.ShellCompDirectiveNoFileComp
}

func (e *env) runNames(ctx context.Context, kind runKind) (names []string) {
	s, err := e.client().Status(ctx)
	if err != nil {
		return nil
	}
	for _, r := range candidates(s, kind) {
		names = append(names, r.name)
	}
	return names
}

// completeSites offers the sites of the roster.
func (e *env) completeSites(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	r, err := e.client().Roster(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range r.Sites {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeChanges offers the changes of the roster that are asked for.
func (e *env) completeChanges(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	r, err := e.client().Roster(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range r.Changes {
		names = append(names, cobra.CompletionWithDesc(c.ID.Short(), c.Text))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
