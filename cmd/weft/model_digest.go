package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
)

// modelDigest is `weft model digest`.
type modelDigest struct {
	of    string // run that the folder is to be compared with
	files bool
	anew  bool
}

func newModelDigest(e *env) *cobra.Command {
	c := &modelDigest{}
	cmd := &cobra.Command{
		Use:   "digest FOLDER",
		Short: "Name a folder's model by its files, as frozen in a run file does",
		Long: `Name the model in a folder, such as the one that a run's adapters are made for, by the
bytes of its files: weights, configuration and tokenizer. All files count but hidden ones
and Markdown, links are followed. Two sites that get one digest have the same model.

Digests of files are kept, and counted again as long as a file has the same size, time
and inode. With --run the folder is compared with the frozen model of a run; the first
file that differs is named.`,
		Example: `  weft model digest ./SmolLM2-135M
  weft model digest ./SmolLM2-135M --files
  weft model digest ./SmolLM2-135M --run letters
  weft model digest ./SmolLM2-135M --json | jq -r .digest`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.files, "files", false, "list the files, each with its CID")
	cmd.Flags().StringVar(&c.of, "run", "", "compare with the frozen model of a `run`: its name, CID or the CID's end")
	cmd.Flags().BoolVar(&c.anew, "no-cache", false, "read all files")
	_ = cmd.RegisterFlagCompletionFunc("run", e.completeRunFlag)
	e.jsonFlag(cmd)
	return cmd
}

// digested is what --json prints.
type digested struct {
	Digest string        `json:"digest"`
	Bytes  int64         `json:"bytes"`
	Files  ledger.Frozen `json:"files"`
}

func (c *modelDigest) run(ctx context.Context, e *env, args []string) error {
	var cache *checkpoint.Digests
	if !c.anew {
		cache = checkpoint.OpenDigests()
	}
	files, bytes, err := hashFolder(ctx, e, args[0], cache)
	if err != nil {
		return err
	}
	if c.of != "" {
		if err := c.compare(ctx, e, files); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(digested{files.Digest().String(), bytes, files})
	}
	if c.files {
		t := term.NewTable(term.Column{Name: "file", Shrink: true}, term.Column{Name: "CID"})
		for _, name := range slices.Sorted(maps.Keys(files)) {
			t.Row(name, files[name].String())
		}
		e.out.Printf("%s", t.Text(e.out.Columns(), e.out.Dim))
	}
	e.out.Printf("%s  %s, %s\n", files.Digest(), term.Plural(len(files), "file"), term.Bytes(bytes))
	return nil
}

// compare returns an error that names the first file in which a folder and the frozen model of a run differ.
func (c *modelDigest) compare(ctx context.Context, e *env, files ledger.Frozen) error {
	from, err := e.reader(ctx)
	if err != nil {
		return err
	}
	r, err := statusOf(ctx, from, []string{c.of})
	if err != nil {
		return err
	}
	beside, err := r.Spec.Constants.Read()
	if err != nil {
		return err
	}
	if len(beside.Frozen) == 0 {
		return fail(nil, "frozen: FOLDER in the run file does, and scripts that call weft.frozen", "run %s names no frozen model", r.Name)
	}
	return sameFolder(files, beside.Frozen, r.Name)
}

// sameFolder returns an error that names the first file in which this site's folder is not that of a run.
func sameFolder(here, run ledger.Frozen, name string) error {
	file := here.Differs(run)
	const copied = "get the folder from where the run's opener has it; weft model digest --files lists a folder's files"
	switch {
	case file == "":
		return nil
	case !here[file].Defined():
		return fail(nil, copied, "the frozen model of run %s is another: %s is missing here", name, file)
	case !run[file].Defined():
		return fail(nil, copied, "the frozen model of run %s is another: it has no %s", name, file)
	}
	return fail(nil, copied, "the frozen model of run %s is another: %s differs", name, file)
}

// hashFolder hashes the files of a folder, with a bar where that takes a while.
func hashFolder(ctx context.Context, e *env, dir string, cache *checkpoint.Digests) (files ledger.Frozen, bytes int64, err error) {
	h, err := checkpoint.Look(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, usage("no folder %s", dir)
	case err != nil:
		return nil, 0, hint.Add(err, "transformers' save_pretrained writes such a folder, and a snapshot of the Hugging Face hub is one")
	}
	frame := func() string {
		return fmt.Sprintf("reads %s  %s  %s of %s\n", dir, term.Bar(barWidth, uint64(h.Done.Load()), uint64(h.Total)), term.Bytes(h.Done.Load()), term.Bytes(h.Total))
	}
	err = e.err.Live(ctx, frame, func(ctx context.Context) error {
		files, err = h.Run(ctx, cache)
		return err
	})
	if err == nil && cache != nil {
		err = cache.Close()
	}
	return files, h.Total, err
}
