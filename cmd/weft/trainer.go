package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/dryrun"
)

// progressEvery is the least time between two lines about a training.
const progressEvery = time.Second

// localUsage is about the flag by which a run is tried as one whose file says local.
const localUsage = "a `pattern` of names of tensors that stay at each site, such as '*.bn*'; may be repeated"

func newTrainer(e *env) *cobra.Command {
	return newGroup(&cobra.Command{Use: "trainer", Short: "Work with the site's own trainer"}, newTrainerTest(e))
}

// trainerTest is `weft trainer test`.
type trainerTest struct {
	base    string
	local   []string // patterns
	train   []string // key=value
	rounds  uint64
	measure bool
	to      string
}

func newTrainerTest(e *env) *cobra.Command {
	c := &trainerTest{}
	cmd := &cobra.Command{
		Use:   "test [flags] [-- COMMAND ARG...]",
		Short: "Try a training script without a mesh",
		Long: `Have the trainer train as its node would, without a node and without a mesh, and check
its update as a node does. The trainer is the COMMAND, run in the working directory,
or else the one in this site's config.yaml. Its output and its progress go to standard
error. Each further round starts from the update of the one before.

The model to start from is any safetensors file that fits the script; in Python
weft.safetensors.save_file(model.state_dict(), "initial.safetensors") writes one. The
embedded trainer makes its own. Copies of it are kept below $TMPDIR meanwhile.`,
		Example: `  weft trainer test --base initial.safetensors -- python3 train.py
  weft trainer test --base initial.safetensors --rounds 3 --evaluate -- python3 train.py
  weft trainer test --base initial.safetensors --train lr=0.1 -o update.safetensors
  weft --dir ./a trainer test`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usage("the command stands after --: weft trainer test --base FILE -- %s", hint.Shell(args...))
			}
			return nil
		},
		RunE: e.runs(c.run),
	}
	f := cmd.Flags()
	f.StringVar(&c.base, "base", "", "safetensors `file` to start from")
	f.StringArrayVar(&c.local, "local", nil, localUsage)
	f.StringArrayVar(&c.train, "train", nil, "a hyperparameter of the run, `KEY=VALUE`; may be repeated")
	f.Uint64Var(&c.rounds, "rounds", 1, "how many rounds")
	f.BoolVar(&c.measure, "evaluate", false, "measure each model before it is trained from, as with evaluate: true")
	f.StringVarP(&c.to, "output", "o", "", "file for the last update, - for standard output")
	e.jsonFlag(cmd)
	return cmd
}

// config returns the trial that the flags and arguments describe.
func (c *trainerTest) config(command []string) (t dryrun.Config, err error) {
	t = dryrun.Config{Command: command, Base: c.base, Local: c.local, Rounds: c.rounds, Measure: c.measure}
	if c.rounds == 0 {
		return t, usage("--rounds 0: want at least 1")
	}
	t.Train, err = keyValues(c.train)
	return t, err
}

// keyValues reads the hyperparameters that --train names.
func keyValues(list []string) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range list {
		key, value, found := strings.Cut(s, "=")
		if !found || key == "" {
			return nil, usage("--train %s: want KEY=VALUE, such as lr=0.1", s)
		}
		all[key] = value
	}
	return all, nil
}

func (c *trainerTest) run(ctx context.Context, e *env, command []string) (err error) {
	config, err := c.config(command)
	switch {
	case err != nil:
		return err
	case e.json && outfile.IsStdout(c.to):
		return usage("--json and -o - exclude each other: both are standard output")
	}
	config.Dir, config.Log = e.dir, slog.New(plainOutput{term.NewLog(e.err, slog.LevelInfo), e.err, plainLine})
	t, err := dryrun.New(ctx, config)
	if err != nil {
		return trialError(err, command)
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	defer context.AfterFunc(ctx, func() { config.Log.Info("stopping the trainer; Ctrl-C again ends it at once") })()
	if err := c.play(ctx, e, t, config.Log); err != nil {
		return trialError(err, command)
	}
	return nil
}

// play has the trainer do all rounds, and prints what comes of them.
func (c *trainerTest) play(ctx context.Context, e *env, t *dryrun.Run, log *slog.Logger) error {
	out := e.out
	if outfile.IsStdout(c.to) {
		out = e.err // the update goes there
	}
	var file *outfile.File
	if c.to != "" { // what cannot be written is told before hours of training
		var err error
		if file, err = outfile.Create(c.to, e.out); err != nil {
			return err
		}
		defer file.Discard()
	}
	var rounds []dryrun.Round
	for n := range c.rounds {
		r, err := t.Round(ctx, logProgress(log, n+1))
		if err != nil {
			return err
		}
		if rounds = append(rounds, r); !e.json {
			out.Println(trialText(r, c.rounds))
		}
	}
	if file != nil {
		if err := t.Export(file); err != nil {
			return err
		}
		if err := file.Commit(); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(rounds)
	}
	if slices.ContainsFunc(rounds, func(r dryrun.Round) bool { return r.Skipped == "" }) {
		out.Println(out.Good("the update is one that a node takes"))
	}
	return nil
}

// trialText says in a line what a trainer made of a round.
func trialText(r dryrun.Round, rounds uint64) string {
	if r.Skipped != "" {
		return fmt.Sprintf("round %d of %d  skipped (%q)  took %s", r.Round, rounds, r.Skipped, term.Duration(r.Took))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "round %d of %d  samples %d", r.Round, rounds, r.Samples)
	for _, k := range slices.Sorted(maps.Keys(r.Metrics)) {
		b.WriteString(metricSpacing + k + " " + metricText(r.Metrics[k]))
	}
	if r.Measured != nil {
		for _, k := range slices.Sorted(maps.Keys(r.Measured.Metrics)) {
			b.WriteString(metricSpacing + evalName(k) + " " + metricText(r.Measured.Metrics[k]))
		}
	}
	fmt.Fprintf(&b, "  took %s  update %s", term.Duration(r.Took), term.Bytes(r.Bytes))
	return b.String()
}

// logProgress returns a function that logs where a training stands, now and then.
func logProgress(log *slog.Logger, round uint64) func(train.Progress) {
	var last time.Time
	return func(p train.Progress) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		attrs := []any{"round", round, "step", p.Step}
		if p.Steps > 0 {
			attrs = append(attrs, "steps", p.Steps)
		}
		for _, k := range slices.Sorted(maps.Keys(p.Metrics)) {
			attrs = append(attrs, k, metricText(p.Metrics[k]))
		}
		log.Info("training", attrs...)
	}
}

// trialError tells an error of the command line from one of the trainer or the site.
func trialError(err error, command []string) error {
	fromCommand := len(command) > 0 && errors.Is(err, train.ErrCommand)
	if !fromCommand && !errors.Is(err, dryrun.ErrBase) && !errors.Is(err, train.ErrHyperparameter) {
		return err
	}
	return hinted(errUsage, err, "")
}
