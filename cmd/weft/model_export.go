package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

// modelExport is `weft model export`.
type modelExport struct{ to, of string }

func newModelExport(e *env) *cobra.Command {
	c := &modelExport{}
	cmd := &cobra.Command{
		Use:   "export ROUND -o FILE",
		Short: "Write a round's model as a safetensors file",
		Long: `Write a committed model as a safetensors file. ROUND is a round's number, "latest",
"best" in a run that chooses one, 0 for the model that the run began with, or a
model's CID or the end of it.`,
		Example: `  weft model export latest -o adapter.safetensors
  weft model export best -o adapter.safetensors
  weft model export 3 --run letters -o adapter.safetensors
  weft model export trwvfrza -o adapter.safetensors
  weft model export 3 -o - | sha256sum`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().StringVarP(&c.to, "output", "o", "", "file to write, - for standard output")
	cmd.ValidArgs = []string{latest, best}
	cmd.Flags().StringVar(&c.of, "run", "", "the run: name, CID or the CID's end; default the only one that has a model")
	_ = cmd.RegisterFlagCompletionFunc("run", e.completeRunFlag)
	return cmd
}

func (c *modelExport) run(ctx context.Context, e *env, args []string) error {
	if c.to == "" {
		return usage("no file to write to: -o FILE, or -o - for standard output")
	}
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	model, _, err := findModel(ctx, from, args[0], c.of)
	if err != nil {
		return err
	}
	f, err := outfile.Create(c.to, e.out)
	if err != nil {
		return err
	}
	defer f.Discard()
	n, err := export(ctx, from, model, f)
	if err == nil && !outfile.IsStdout(c.to) {
		e.out.Printf("%s  %s  model %s\n", c.to, term.Bytes(n), model)
	}
	return err
}

// export writes a model to a file and returns its size in bytes.
func export(ctx context.Context, c reader, model block.CID, f *outfile.File) (int64, error) {
	body, err := c.Model(ctx, model)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.Copy(f, body); err != nil {
		return 0, err
	}
	return f.Size(), f.Commit()
}
