package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
)

// ledgerPage is how many entries one request asks for.
const ledgerPage = 500

// ledgerShow is `weft ledger`.
type ledgerShow struct {
	from  uint64
	limit int
	car   string
}

func newLedger(e *env) *cobra.Command {
	c := &ledgerShow{}
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Show what the mesh decided, entry by entry, and who signed",
		Long: `Show what the mesh decided, entry by entry, and who signed. With --car write the
genesis, all entries and their certificates into a CAR file, which anyone can check
with ` + "`weft verify`" + ` and which IPFS tools read, pin and keep: its root is an index that
names genesis and head, and lists every block of the file.`,
		Example: `  weft ledger
  weft ledger --from 10 --limit 5
  weft ledger --json | jq '.[] | select(.kind == "seal") | .entry.seal.updates[].update.body.samples'
  weft ledger --car mesh.car`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	cmd.Flags().Uint64Var(&c.from, "from", 1, "first height")
	cmd.Flags().IntVar(&c.limit, "limit", 0, "show at most so many entries; 0: all")
	cmd.Flags().StringVar(&c.car, "car", "", "write the ledger to this CAR file instead, - for standard output")
	e.jsonFlag(cmd)
	cmd.AddCommand(newLedgerFaults(e))
	return cmd
}

func (c *ledgerShow) run(ctx context.Context, e *env, _ []string) error {
	if c.car != "" {
		return c.export(e)
	}
	if c.limit < 0 {
		return usage("--limit %d: want how many entries, 0 for all", c.limit)
	}
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	entries, err := ledgerEntries(ctx, from, c.from, c.limit)
	if err != nil {
		return err
	}
	if e.json {
		opened, err := readable(entries)
		if err != nil {
			return err
		}
		return e.printJSON(opened)
	}
	if s, err := from.Status(ctx); len(entries) == 0 && err == nil && s.Height > 0 {
		return fail(nil, "", "the ledger ends at height %d", s.Height)
	}
	e.out.Printf("%s", ledgerText(e.out, entries))
	return nil
}

// export writes the ledger as a CAR file.
func (c *ledgerShow) export(e *env) error {
	archive, err := archive.Open(e.dir)
	if err != nil {
		return verifyError(err)
	}
	f, err := outfile.Create(c.car, e.out)
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
	if !outfile.IsStdout(c.car) {
		e.out.Printf("wrote %s; anyone can check it: weft verify %s\n", c.car, hint.Shell(c.car))
	}
	return nil
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

func ledgerText(out *term.Out, entries []api.LedgerEntry) string {
	if len(entries) == 0 {
		return "no entries yet: the ledger begins with the first run\n"
	}
	t := term.NewTable(term.Column{Name: "height", Right: true}, term.Column{Name: "entry"}, term.Column{Name: "run", Shrink: true},
		term.Column{Name: "what", Wrap: true}, term.Column{Name: "view", Right: true}, term.Column{Name: "signed by", Wrap: true})
	for _, e := range entries {
		t.Row(strconv.FormatUint(e.Height, 10), e.CID.Short(), e.Run, e.Summary, strconv.FormatUint(e.View, 10), strings.Join(e.Signers, " "))
	}
	return t.Text(out.Columns(), out.Dim)
}
