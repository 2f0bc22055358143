package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
)

// modelExport is `weft model export`.
type modelExport struct {
	to, of, hf, peft, like string
	local                  bool // with the site's own tensors
	car                    bool // as a CAR file
}

func newModelExport(e *env) *cobra.Command {
	c := &modelExport{}
	cmd := &cobra.Command{
		Use:   "export ROUND -o FILE",
		Short: "Write a round's model as a safetensors file",
		Long: `Write a committed model as a safetensors file, or with --hf as a folder that Hugging
Face's libraries load. ROUND is a round's number, "latest", "best" in a run that
chooses one, 0 for the model that the run began with, or a model's CID or its end.

A folder has the model, in files of at most 5 GB, and what --like names: config.json,
the tokenizer and other small files of a folder, such as the one that the run began
from. These files are not in the mesh: other sites get them from where the model comes
from. Like a folder of PEFT with adapter_config.json, it is an adapter's. It must not be
there yet.

--peft writes an adapter's folder, which PeftModel.from_pretrained loads: the run has
adapter_config.json if its model came with it, by weft.tasks or weft.save of a PEFT
model, from a folder of PEFT, or by the embedded trainer.

With --car the file is a CAR file for IPFS tools: the model's manifest, layout and shards,
as the mesh names them by CID, and those of what a run's model has beside its weights.

In a run whose file says local, a model is without the tensors that stay at the sites.
With --local this site's own are added, as they are after its last update.`,
		Example: `  weft model export latest -o adapter.safetensors
  weft model export best -o adapter.safetensors
  weft model export 3 --run letters -o adapter.safetensors
  weft model export trwvfrza -o adapter.safetensors
  weft model export 3 -o - | sha256sum
  weft model export latest --local -o ours.safetensors
  weft model export latest --car -o model.car
  weft model export latest --hf ./tuned --like ./bert-base
  weft model export best --peft ./adapter`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().StringVarP(&c.to, "output", "o", "", "file to write, - for standard output")
	cmd.Flags().StringVar(&c.hf, "hf", "", "`folder` to write in the place of a file")
	cmd.Flags().StringVar(&c.peft, "peft", "", "`folder` to write in the place of a file: an adapter's")
	cmd.Flags().StringVar(&c.like, "like", "", "with --hf: `folder` whose configuration, tokenizer and other small files are copied")
	cmd.Flags().BoolVar(&c.local, "local", false, "add this site's own tensors, where the run leaves some at the sites")
	cmd.Flags().BoolVar(&c.car, "car", false, "write a CAR file, for IPFS tools")
	cmd.ValidArgs = []string{latest, best}
	cmd.Flags().StringVar(&c.of, "run", "", "the run: name, CID or the CID's end; default the only one that has a model")
	_ = cmd.RegisterFlagCompletionFunc("run", e.completeRunFlag)
	return cmd
}

func (c *modelExport) run(ctx context.Context, e *env, args []string) error {
	if err := c.check(); err != nil {
		return err
	}
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	model, of, err := findModel(ctx, from, args[0], c.of)
	if err != nil {
		return err
	}
	if c.car {
		return c.writeCAR(ctx, e, from, model, of)
	}
	body, err := c.open(ctx, e, from, model, of)
	if err != nil {
		return err
	}
	defer body.Close()
	if dir := cmp.Or(c.hf, c.peft); dir != "" {
		return c.writeFolder(e, dir, body, model)
	}
	f, err := outfile.Create(c.to, e.out)
	if err != nil {
		return err
	}
	defer f.Discard()
	n, err := export(body, f)
	if err == nil && !outfile.IsStdout(c.to) {
		e.out.Printf("%s  %s  model %s\n", c.to, term.Bytes(n), model)
	}
	return err
}

// check refuses places that exclude each other.
func (c *modelExport) check() error {
	places := slices.DeleteFunc([]string{c.to, c.hf, c.peft}, func(place string) bool { return place == "" })
	switch {
	case len(places) == 0:
		return usage("nowhere to write to: -o FILE, -o - for standard output, or --hf DIR or --peft DIR for a folder")
	case len(places) > 1:
		return usage("-o, --hf and --peft are places: say one")
	case c.hf == "" && c.like != "":
		return usage("--like goes with --hf")
	case c.car && (c.to == "" || c.local):
		return usage("--car writes the common model, as the mesh has it, and into a file: with -o, and without --local")
	}
	return nil
}

// writeCAR writes a model as a CAR file, with what its run has beside the weights.
func (c *modelExport) writeCAR(ctx context.Context, e *env, from reader, model block.CID, of *api.RunStatus) error {
	of, err := runOf(ctx, from, model, of)
	if err != nil {
		return err
	}
	manifests := []block.CID{model}
	if of != nil {
		if tensors := of.Spec.Constants.Tensors(); tensors.Defined() {
			manifests = append(manifests, tensors)
		}
	}
	f, err := outfile.Create(c.to, e.out)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := archive.WriteModelCAR(ctx, f, from, manifests...); err != nil {
		return err
	}
	if err := f.Commit(); err != nil || outfile.IsStdout(c.to) {
		return err
	}
	e.out.Printf("%s  %s  model %s\n", c.to, term.Bytes(f.Size()), model)
	return nil
}

// runOf returns the run that a model was named with, or one that has it; nil if none has.
func runOf(ctx context.Context, from reader, model block.CID, of *api.RunStatus) (*api.RunStatus, error) {
	if of != nil {
		return of, nil
	}
	s, err := from.Full(ctx)
	if err != nil {
		return nil, err
	}
	return findRunOf(s, model), nil
}

// writeFolder writes a model as a folder.
func (c *modelExport) writeFolder(e *env, dir string, body io.Reader, model block.CID) error {
	folder := checkpoint.Folder{Dir: dir, Like: c.like, Peft: c.peft != ""}
	if err := folder.Check(); err != nil {
		return usage("%v", err)
	}
	err := folder.Write(body)
	switch {
	case errors.Is(err, checkpoint.ErrNoAdapter):
		return fail(nil, "--hf DIR --like PEFT-FOLDER copies adapter_config.json from a folder that has it", "--peft: model %s: %v", model, err)
	case errors.Is(err, checkpoint.ErrComputed):
		return fail(nil, "-o FILE, then in Python weft.load(model, weft.safetensors.load_file(FILE)) and model.save_pretrained(DIR)", "model %s: %v", model, err)
	case err != nil:
		return err
	}
	e.out.Printf("%s  model %s\n", dir, model)
	if c.hf != "" && c.like == "" {
		e.err.Printf("weft: the folder has the weights alone; --like DIR copies config.json and the tokenizer from a folder that has them\n")
	}
	return nil
}

// open returns the model's file: with the constants of the run that was named with it, or of one that has it; what is no model of
// any is as it is stored.
func (c *modelExport) open(ctx context.Context, e *env, from reader, model block.CID, of *api.RunStatus) (io.ReadCloser, error) {
	of, err := runOf(ctx, from, model, of)
	switch {
	case err != nil:
		return nil, err
	case of == nil && c.local:
		return nil, fail(nil, "`weft run history` shows the models of a run", "--local: no run has the model %s", model)
	case of == nil:
		return from.Model(ctx, block.CID{}, model)
	case c.local:
		return openPersonal(ctx, e, from, model, of)
	}
	return from.Model(ctx, of.ID, model)
}

// export writes a model to a file and returns its size in bytes.
func export(body io.Reader, f *outfile.File) (int64, error) {
	if _, err := io.Copy(f, body); err != nil {
		return 0, err
	}
	return f.Size(), f.Commit()
}
