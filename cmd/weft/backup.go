package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/backup"
)

// backUp is `weft backup`.
type backUp struct{ noModels bool }

func newBackup(e *env) *cobra.Command {
	c := &backUp{}
	cmd := &cobra.Command{
		Use:   "backup FOLDER",
		Short: "Copy what only this site has, for weft restore",
		Long: `Copy what only this site has into a folder: key, configuration, genesis, what its
trainer keeps, its curves, and the models. The node may be running. Called again with
the same folder it copies what is new.

What the site has signed is left out on purpose: a log of yesterday does not know what
it has said since, and a site that goes on from it may contradict itself. A site that
is restored gets the ledger from the others, and does not vote until they have decided
two entries; its updates count at once. Whoever has the folder has the site's key.`,
		Example: `  weft backup /backup/hospital-a
  weft backup --no-models /backup/hospital-a   a few kB: the others have the models
  weft backup /backup/hospital-a --json | jq .copied`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.noModels, "no-models", false, "leave the models out: a restored site fetches them from the others")
	e.jsonFlag(cmd)
	return cmd
}

func (c *backUp) run(_ context.Context, e *env, args []string) error {
	r, err := backup.Save(e.dir, args[0], backup.Options{NoModels: c.noModels, Progress: copied(e)})
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(r)
	}
	e.out.Printf("backed up %s to %s: %s in %s, %s of it new\n", r.Site, args[0], term.Bytes(r.Bytes), term.Plural(r.Files, "file"), term.Bytes(r.Copied))
	e.out.Printf("keep it where nobody else can read it: it has the site's key\n")
	return nil
}

// copied tells now and then how far a long copy is.
func copied(e *env) func(name string, done, total int64) {
	last := time.Now()
	return func(name string, done, total int64) {
		if name == "" || time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		e.err.Printf("%s of %s  %s\n", term.Bytes(done), term.Bytes(total), name)
	}
}

func newRestore(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FOLDER",
		Short: "Make a site of a backup",
		Long: `Make a site of what weft backup has copied, in the directory that --dir names, which
must be none yet. Then start it with weft up: it gets the ledger and what it lacks from
the others, is told what it has said itself, and does not vote until they have decided
two entries.

Make sure that the site runs nowhere else: two nodes with one key contradict each other.`,
		Example: `  weft restore /backup/hospital-a
  weft --dir /srv/weft restore /backup/hospital-a && weft --dir /srv/weft up`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(restore),
	}
	e.jsonFlag(cmd)
	return cmd
}

func restore(_ context.Context, e *env, args []string) error {
	r, err := backup.Restore(args[0], e.dir, copied(e))
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(r)
	}
	e.out.Printf("restored %s to %s as it was at %s: %s in %s\n", r.Site, e.dir, r.Time.Format("2006-01-02 15:04 MST"), term.Bytes(r.Bytes), term.Plural(r.Files, "file"))
	e.out.Printf("start it with weft up, and nowhere else: it does not vote until the others have decided two entries\n")
	return nil
}
