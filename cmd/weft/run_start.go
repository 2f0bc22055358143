package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/runfile"
)

// openWait is how long `weft run start` waits for something to change before the mesh opens the run, without --watch: operators
// answer when they like. Sites that take part by themselves need a second or two.
const (
	openWait  = 5 * time.Second
	openPoll  = 10 * time.Millisecond // between two looks at first; doubles
	quietWait = 2 * time.Second       // then it says what it waits for, and again when that changes
)

// runStart is `weft run start`.
type runStart struct{ watch, again bool }

func newRunStart(e *env) *cobra.Command {
	c := &runStart{}
	cmd := &cobra.Command{
		Use:   "start FILE",
		Short: "Ask for a run as a YAML file describes it",
		Long: `Ask for a run as a YAML file describes it: name, rounds, the model to start from and
hyperparameters (docs/cli.md has every field). Each site takes part if its own
configuration or operator says so; the run opens once a quorum of sites does, and as
many as it needs (min_sites). Until then it costs the others nothing, and
` + "`weft run stop`" + ` takes it back.`,
		Example: `  weft run start run.yaml
  weft run start run.yaml --watch`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.again, "again", false, "even if a run of that name goes on")
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "then show the run until it is over")
	return cmd
}

func (c *runStart) run(ctx context.Context, e *env, args []string) error {
	file, req, err := readRun(args[0])
	if err == nil && file.From != (runfile.From{}) {
		req.From, err = findEarlier(ctx, e.client(), file)
	}
	if err == nil && file.Base != "" {
		err = freeze(ctx, e, file, &req)
	}
	if err != nil {
		return err
	}
	if err := checkName(ctx, e.client(), req.Spec.Name); err != nil && !c.again {
		return err
	}
	reply, err := e.client().Start(ctx, req)
	if err != nil {
		return locateField(file, err)
	}
	if reply.Note != "" {
		e.err.Printf("weft: %s\n", reply.Note)
	}
	if err := awaitOpen(ctx, e, reply.Run, req.Spec.Name, c.watch); err != nil || !c.watch {
		return err
	}
	return watchStatus(ctx, e, reply.Run.String())
}

// checkName returns an error if a run of that name goes on: most often this is the same one, started twice.
func checkName(ctx context.Context, c *api.Client, name string) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	for _, r := range asked(s, false) {
		if r.name == name {
			return fail(nil, "`weft run stop` takes it back; --again asks for another, which commands tell apart by the CID's end", "a run %s (%s) is asked for already", name, r.id.Short())
		}
	}
	for _, kind := range []runKind{runActive, runAnswerable} {
		for _, r := range candidates(s, kind) {
			if r.name == name {
				return fail(nil, "`weft run stop` ends it; --again opens another, which commands tell apart by the CID's end", "a run %s (%s) goes on already", name, r.id.Short())
			}
		}
	}
	return nil
}

// freeze has the run's description name the frozen model by its files.
func freeze(ctx context.Context, e *env, file runfile.Run, req *api.RunRequest) error {
	cache := checkpoint.OpenDigests()
	files, _, err := hashFolder(ctx, e, file.Base, cache)
	if err != nil {
		text, advice := hint.Split(err)
		return advised(&failure{kind: errUsage, text: file.Wrong("frozen", "%s", text).Error()}, cmp.Or(advice, "the path is relative to the run file"))
	}
	beside, err := req.Spec.Constants.Read()
	if err != nil {
		return err
	}
	beside.Frozen = files
	req.Spec.Constants = ledger.NewConstants(beside)
	return nil
}

// readRun reads a run file, and makes the request of it.
func readRun(path string) (r runfile.Run, req api.RunRequest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, req, usage("%v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, runfile.MaxSize+1))
	if err != nil {
		return r, req, usage("%v", err)
	}
	if r, err = runfile.Parse(path, data); err != nil {
		return r, req, advised(&failure{kind: errUsage, text: err.Error()}, "docs/cli.md describes run files")
	}
	req = api.RunRequest{Spec: r.Spec, Init: r.Init, Wide: r.Wide}
	if r.File == "" {
		return r, req, nil
	}
	// The node's working directory is another.
	if req.Model, err = filepath.Abs(r.File); err != nil {
		return r, req, err
	}
	if _, err := os.Stat(req.Model); err != nil {
		return r, req, advised(&failure{kind: errUsage, text: r.Wrong("model.file", "%v", err).Error()}, "the path is relative to the run file")
	}
	return r, req, nil
}

// findEarlier finds the model of an earlier run that a run file names.
func findEarlier(ctx context.Context, c *api.Client, file runfile.Run) (*api.ModelOf, error) {
	model, of, err := findModel(ctx, c, file.From.Round, file.From.Run)
	if failed := (*failure)(nil); errors.As(err, &failed) {
		text, advice := hint.Split(err)
		return nil, advised(&failure{kind: errUsage, text: file.Wrong("model.from", "%s", text).Error()}, advice)
	}
	if err != nil {
		return nil, err
	}
	return &api.ModelOf{Run: of.ID, Model: model}, nil
}

// locateField says in which line of the run file the node finds what it refuses.
func locateField(r runfile.Run, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Field != "" {
		return advised(&failure{kind: errUsage, text: r.Wrong(refused.Field, "%s", refused.Message).Error()}, refused.Hint)
	}
	return err
}

// awaitOpen waits until the ledger has the run, and says meanwhile who has consented and what is waited for.
func awaitOpen(ctx context.Context, e *env, id block.CID, name string, watch bool) error {
	begun, changed, said, waits := time.Now(), time.Now(), "", ""
	for wait := openPoll; ; wait = min(2*wait, watchEvery/2) {
		s, err := e.client().Status(ctx)
		if err != nil {
			return interrupted(ctx, e, id, name, err)
		}
		if r := findRun(s, id.String()); r != nil {
			e.out.Printf("run %s (%s) is open: %s, mesh of %s\n", name, id.Short(), term.Plural(r.Rounds, "round"), term.Plural(s.Sites, "site"))
			return nil
		}
		if now := waitsToOpen(s, id); now != waits {
			waits, changed = now, time.Now()
		}
		if waits != said && time.Since(begun) > quietWait {
			said = waits
			e.err.Printf("waiting for %s\n", waits)
		}
		if !watch && time.Since(changed) > openWait {
			e.out.Printf("run %s (%s) is asked for, and opens without this command; it waits for %s\n`weft run stop %s` takes it back\n", name, id.Short(), waits, id.Short())
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return interrupted(ctx, e, id, name, err)
		}
	}
}

// waitsToOpen says what a run waits for that is asked for.
func waitsToOpen(s *api.Status, id block.CID) string {
	waits := "the node to take it up"
	if a := findAsked(s, id); a != nil {
		waits = a.Waits
	}
	if s.Up < s.Quorum {
		return fmt.Sprintf("a quorum: %d of %d sites up, %d needed", s.Up, s.Sites, s.Quorum)
	}
	return waits
}

// interrupted says that the run is asked for all the same when the user does not wait any longer.
func interrupted(ctx context.Context, e *env, id block.CID, name string, err error) error {
	if ctx.Err() != nil {
		e.err.Printf("run %s (%s) stays asked for; `weft run stop %s` takes it back\n", name, id.Short(), id.Short())
	}
	return err
}
