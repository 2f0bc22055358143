package main

import "github.com/spf13/cobra"

func newRoster(e *env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "roster",
		Short: "Show the mesh's sites; add, remove and replace them",
		Long: `Show the mesh's sites; add, remove and replace them.

A change of the roster is decided like everything else: once the operators of a quorum of
sites have approved it, and, if a site comes, once that site has signed too. Its node does
so by itself when it is up and has followed the ledger. docs/roster.md goes through it.`,
	}, newRosterList(e), newRosterAdd(e), newRosterRemove(e), newRosterReplace(e), newRosterApprove(e), newRosterWithdraw(e), newRosterProtocol(e))
}
