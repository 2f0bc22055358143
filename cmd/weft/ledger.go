package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
)

// ledgerPage is how many entries one request asks for.
const ledgerPage = 500

func (a *app) ledgerCmd() *cobra.Command {
	var from uint64
	var limit int
	var car string
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Show what the mesh decided, entry by entry, and who signed",
		Long: `Show what the mesh decided, entry by entry, and who signed. With --car write the
genesis, all entries and their certificates into a CAR file, which anyone can check
with ` + "`weft verify`" + ` and which IPFS tools read.`,
		Example: `  weft ledger
  weft ledger --from 10 --limit 5
  weft ledger --json | jq '.[] | select(.kind == "seal") | .entry.seal.updates[].update.body.samples'
  weft ledger --car mesh.car`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if car != "" {
				return a.exportLedger(car)
			}
			if limit < 0 {
				return usage("--limit %d: want how many entries, 0 for all", limit)
			}
			c, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			entries, err := ledgerEntries(cmd.Context(), c, from, limit)
			if err != nil {
				return err
			}
			if a.json {
				opened, err := readable(entries)
				if err != nil {
					return err
				}
				return a.printJSON(opened)
			}
			if s, err := c.Status(cmd.Context()); len(entries) == 0 && err == nil && s.Height > 0 {
				return fail(nil, "", "the ledger ends at height %d", s.Height)
			}
			a.out.Printf("%s", a.ledgerText(entries))
			return nil
		},
	}
	cmd.Flags().Uint64Var(&from, "from", 1, "first height")
	cmd.Flags().IntVar(&limit, "limit", 0, "show at most so many entries; 0: all")
	cmd.Flags().StringVar(&car, "car", "", "write the ledger to this CAR file instead, - for standard output")
	a.jsonFlag(cmd)
	return cmd
}

// ledgerEntries returns the decided entries from a height on, limit at most unless it is 0.
func ledgerEntries(ctx context.Context, c reader, from uint64, limit int) ([]api.LedgerEntry, error) {
	all := []api.LedgerEntry{}
	for from = max(from, 1); limit == 0 || len(all) < limit; {
		page := ledgerPage
		if limit > 0 {
			page = min(page, limit-len(all))
		}
		entries, err := c.Ledger(ctx, from, page)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			return all, nil
		}
		all = append(all, entries...)
		from = entries[len(entries)-1].Height + 1
	}
	return all, nil
}

func (a *app) ledgerText(entries []api.LedgerEntry) string {
	if len(entries) == 0 {
		return "no entries yet: the ledger begins with the first run\n"
	}
	t := term.NewTable(term.Column{Name: "height", Right: true}, term.Column{Name: "entry"}, term.Column{Name: "run", Shrink: true},
		term.Column{Name: "what", Wrap: true}, term.Column{Name: "view", Right: true}, term.Column{Name: "signed by", Wrap: true})
	for _, e := range entries {
		t.Row(strconv.FormatUint(e.Height, 10), e.CID.Short(), e.Run, e.Summary, strconv.FormatUint(e.View, 10), strings.Join(e.Signers, " "))
	}
	return t.Text(a.out.Columns(), a.out.Dim)
}

// exportLedger writes the ledger as a CAR file.
func (a *app) exportLedger(path string) error {
	archive, err := archive.Open(a.dir)
	if err != nil {
		return verifyError(err)
	}
	f, err := outfile.Create(path, a.out)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := archive.WriteCAR(f); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	if !outfile.IsStdout(path) {
		a.out.Printf("wrote %s; anyone can check it: weft verify %s\n", path, path)
	}
	return nil
}
