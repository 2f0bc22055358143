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
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/dryrun"
)

// progressEvery is the least time between two lines about a training.
const progressEvery = time.Second

func (a *app) trainerCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trainer",
		Short: "Work with the site's own trainer",
		RunE:  group,
	}
	cmd.AddCommand(a.trainerTestCmd())
	return cmd
}

// trialOptions are the command line of `weft trainer test`.
type trialOptions struct {
	base    string
	train   []string // key=value
	rounds  uint64
	measure bool
	to      string
	command []string
}

func (a *app) trainerTestCmd() *cobra.Command {
	var o trialOptions
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
				return usage("the command stands after --: weft trainer test --base FILE -- %s", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return a.testTrainer(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.base, "base", "", "safetensors `file` to start from")
	f.StringArrayVar(&o.train, "train", nil, "a hyperparameter of the run, `KEY=VALUE`; may be repeated")
	f.Uint64Var(&o.rounds, "rounds", 1, "how many rounds")
	f.BoolVar(&o.measure, "evaluate", false, "measure each model before it is trained from, as with evaluate: true")
	f.StringVarP(&o.to, "output", "o", "", "file for the last update, - for standard output")
	a.jsonFlag(cmd)
	return cmd
}

// config returns the trial that the options describe.
func (o trialOptions) config() (c dryrun.Config, err error) {
	c = dryrun.Config{Command: o.command, Base: o.base, Rounds: o.rounds, Measure: o.measure, Train: map[string]string{}}
	if o.rounds == 0 {
		return c, usage("--rounds 0: want at least 1")
	}
	for _, s := range o.train {
		key, value, found := strings.Cut(s, "=")
		if !found || key == "" {
			return c, usage("--train %s: want KEY=VALUE, such as lr=0.1", s)
		}
		c.Train[key] = value
	}
	return c, nil
}

func (a *app) testTrainer(ctx context.Context, o trialOptions) (err error) {
	c, err := o.config()
	switch {
	case err != nil:
		return err
	case a.json && outfile.IsStdout(o.to):
		return usage("--json and -o - exclude each other: both are standard output")
	}
	c.Dir, c.Log = a.dir, slog.New(plainOutput{term.NewLog(a.err, slog.LevelInfo), a.err})
	t, err := dryrun.New(ctx, c)
	if err != nil {
		return o.failure(err)
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	defer context.AfterFunc(ctx, func() { c.Log.Info("stopping the trainer; Ctrl-C again ends it at once") })()
	if err := a.playTrial(ctx, t, o, c.Log); err != nil {
		return o.failure(err)
	}
	return nil
}

// plainOutput is a log that shows what the trainer writes as it is written: there is nothing else to tell it from.
type plainOutput struct {
	slog.Handler
	out *term.Out
}

// Handle writes a record, or the line that it is about.
func (p plainOutput) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != train.OutputMessage {
		return p.Handler.Handle(ctx, r)
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == train.OutputLine {
			p.out.Println(a.Value.String())
		}
		return true
	})
	return p.out.Err()
}

// WithAttrs returns a log that writes these values with each record.
func (p plainOutput) WithAttrs(attrs []slog.Attr) slog.Handler {
	return plainOutput{p.Handler.WithAttrs(attrs), p.out}
}

// playTrial has the trainer do all rounds, and prints what comes of them.
func (a *app) playTrial(ctx context.Context, t *dryrun.Run, o trialOptions, log *slog.Logger) error {
	out := a.out
	if outfile.IsStdout(o.to) {
		out = a.err // the update goes there
	}
	var file *outfile.File
	if o.to != "" { // what cannot be written is told before hours of training
		var err error
		if file, err = outfile.Create(o.to, a.out); err != nil {
			return err
		}
		defer file.Discard()
	}
	var rounds []dryrun.Round
	for n := range o.rounds {
		r, err := t.Round(ctx, logProgress(log, n+1))
		if err != nil {
			return err
		}
		if rounds = append(rounds, r); !a.json {
			out.Println(trialText(r, o.rounds))
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
	if a.json {
		return a.printJSON(rounds)
	}
	out.Println(out.Good("the update is one that a node takes"))
	return nil
}

// trialText says in a line what a trainer made of a round.
func trialText(r dryrun.Round, rounds uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "round %d of %d  samples %d", r.Round, rounds, r.Samples)
	for _, k := range slices.Sorted(maps.Keys(r.Metrics)) {
		b.WriteString(metricSpacing + k + " " + metricText(r.Metrics[k]))
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

// failure tells an error of the command line from one of the trainer or the site.
func (o trialOptions) failure(err error) error {
	fromCommand := len(o.command) > 0 && errors.Is(err, train.ErrCommand)
	if !fromCommand && !errors.Is(err, dryrun.ErrBase) && !errors.Is(err, train.ErrHyperparameter) {
		return err
	}
	return hinted(errUsage, err, "")
}
