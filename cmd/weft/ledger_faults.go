package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/archive"
)

func newLedgerFaults(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Show the proofs against sites that have signed two statements for one place",
		Long: `Show the proofs against sites that have signed two statements for one place, as this
site's log keeps them. The node may be running. A proof has an effect for 1,000
heights, or until the site is given another key (weft roster replace); it stays in the
log for ever.`,
		Example: `  weft ledger faults
  weft ledger faults --json | jq '.[] | select(.counts) | .site'`,
		Args: cobra.NoArgs,
		RunE: e.runs(ledgerFaults),
	}
	e.jsonFlag(cmd)
	return cmd
}

func ledgerFaults(_ context.Context, e *env, _ []string) error {
	a, err := archive.Open(e.dir)
	if err != nil {
		return verifyError(err)
	}
	faults := a.Faults()
	switch {
	case e.json:
		return e.printJSON(faults)
	case len(faults) == 0:
		e.out.Printf("no site is proven to have signed two statements for one place\n")
		return nil
	}
	e.out.Printf("%s", faultsText(e.out, faults))
	return nil
}

func faultsText(out *term.Out, faults []archive.Fault) string {
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "signed twice", Wrap: true}, term.Column{Name: "effect", Wrap: true})
	for _, f := range faults {
		effect := "none: it is too old, or the key is no site's any more"
		if f.Counts {
			effect = fmt.Sprintf("its updates do not count until height %d", f.Until)
		}
		t.Row(f.Site, fmt.Sprintf("a %s of height %d", f.Statement, f.Height), effect)
	}
	return t.Text(out.Columns(), out.Dim)
}
