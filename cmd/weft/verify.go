package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/wal"
)

// verify is `weft verify`.
type verify struct {
	mesh, model string
	recompute   bool
}

func newVerify(e *env) *cobra.Command {
	c := &verify{}
	cmd := &cobra.Command{
		Use:   "verify [DIR|FILE]",
		Short: "Check the chain of certificates from genesis to head, offline",
		Long: `Check the chain of certificates from genesis to head, offline and trusting nobody but
the genesis: every entry against the rules, every certificate against the roster.
The source is a site's directory, this site's by default, whose node may run or not,
or a CAR file as ` + "`weft ledger --car`" + ` writes it, - for standard input. --mesh also demands that the genesis is
the one with this CID, --model that a round committed the model with this CID.
--recompute computes the committed models anew from the updates that the site's
directory still keeps (` + "`keep_updates: true`" + ` in the run file or in config.yaml), and
demands the same bits; with --model that model, else all that can be.
What does not verify gives exit code 4.`,
		Example: `  weft verify
  weft verify mesh.car --mesh bafyr4i... --model bafyr4i...
  weft verify --recompute`,
		Args: cobra.MaximumNArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().StringVar(&c.mesh, "mesh", "", "CID that the genesis must have")
	cmd.Flags().StringVar(&c.model, "model", "", "CID of a model that must be committed")
	cmd.Flags().BoolVar(&c.recompute, "recompute", false, "compute models anew from the updates kept here")
	e.jsonFlag(cmd)
	return cmd
}

func (c *verify) run(ctx context.Context, e *env, args []string) error {
	source := e.dir
	if len(args) > 0 {
		source = args[0]
	}
	if c.recompute {
		return c.runRecompute(ctx, e, source)
	}
	r, err := archive.Verify(source)
	if err != nil {
		return verifyError(err)
	}
	if err := c.demand(r); err != nil {
		return err
	}
	return printReport(e, r)
}

// verifyError tells what does not verify from what cannot be read.
func verifyError(err error) error {
	switch {
	case errors.Is(err, archive.ErrChain), errors.Is(err, archive.ErrCAR), errors.Is(err, wal.ErrDamaged), errors.Is(err, site.ErrGenesis):
		return hinted(errUnverified, err, "get the ledger from another site: weft ledger --car FILE")
	case errors.Is(err, fs.ErrNotExist):
		return advised(&failure{kind: errUsage, text: "nothing to verify", err: err}, "name a site's directory or a CAR file")
	}
	return err
}

// demand checks what the flags want the report to say.
func (c *verify) demand(r *archive.Report) error {
	if c.mesh != "" {
		id, err := block.Parse(c.mesh)
		if err != nil {
			return advised(&failure{kind: errUsage, text: "--mesh", err: err}, "want the whole CID, as weft mesh show prints it: ends can be forged")
		}
		if id != r.Mesh {
			return &failure{kind: errUnverified, text: fmt.Sprintf("this is the ledger of mesh %s, not of %s", r.Mesh, id)}
		}
	}
	if c.model == "" {
		return nil
	}
	id, err := block.Parse(c.model)
	if err != nil {
		return advised(&failure{kind: errUsage, text: "--model", err: err}, "want the whole CID, as weft model export prints it: ends can be forged")
	}
	for _, m := range r.Models {
		if m.Model == id {
			return nil
		}
	}
	return &failure{kind: errUnverified, text: fmt.Sprintf("no round up to height %d committed the model %s", r.Height, id)}
}

func printReport(e *env, r *archive.Report) error {
	if e.json {
		return e.printJSON(r)
	}
	e.out.Printf("%s", reportText(e.out, r))
	return nil
}

func reportText(out *term.Out, r *archive.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", out.Bold(r.MeshName), r.Mesh)
	fmt.Fprintf(&b, "%s: every entry up to height %d is valid and signed by a quorum\n", out.Good("verified"), r.Height)
	fmt.Fprintf(&b, "%s, faults: %s, a quorum is %s\nhead  %s\n\n", term.Plural(len(r.Sites), "site"), r.Faults, term.Plural(r.Quorum, "site"), r.Head)
	if r.Torn > 0 {
		fmt.Fprintf(&b, "%s the log ends in %s that are no whole record, as a crash leaves them, or a node that is just writing\n\n", out.Bad("note:"), term.Bytes(r.Torn))
	}
	for _, run := range r.Runs {
		closed := ""
		if run.Closed {
			closed = ", closed"
		}
		fmt.Fprintf(&b, "run %s (%s): %d of %d rounds%s, model\n  %s\n", out.Bold(run.Name), run.ID.Short(), run.Done, run.Rounds, closed, run.Model)
		if run.Best != nil {
			fmt.Fprintf(&b, "  best by what the sites measured: round %d, model\n  %s\n", run.Best.Round, run.Best.Model)
		}
		b.WriteString(recomputedText(r, run.ID))
	}
	if len(r.Runs) > 0 {
		b.WriteString("\n")
	}
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "certificates signed", Right: true})
	for _, s := range r.Signers {
		t.Row(s.Site, strconv.FormatUint(s.Count, 10))
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	return b.String()
}
