//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/cmd/weft/try"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/runfile"
	"github.com/weft-mesh/weft/scenarios/local"
)

const (
	trySites  = 3
	tryRounds = 5
)

// tryRun is `weft try`.
type tryRun struct {
	sites    int
	rounds   uint64
	base     string
	data     tryData
	local    []string // patterns
	train    []string // key=value
	evaluate bool
	best     string
	cross    bool
	alone    bool
	kills    []string
	keep     string
	output   string
}

func newTry(e *env) *cobra.Command {
	c := &tryRun{}
	cmd := &cobra.Command{
		Use:   "try [flags] -- COMMAND ARG...",
		Short: "Train with your own script at a few sites on this machine",
		Long: `Start real nodes on this machine, one a site, each with your script as its trainer;
open a run; show its rounds to the end; and say what came of it. Nothing leaves the
machine, and nothing stays but what --keep and -o name.

In the command {i} stands for the site's number, {name} for its name, {sites} for how
many there are; the script finds its site's name in WEFT_SITE too. With --data a file
of rows (.csv, .jsonl, .npz; .gz too) is dealt out to the sites, and {data} stands for
the site's part. The script makes the model that the run begins with, unless --base
names a file. The first failure of a script ends the try.`,
		Example: `  weft try -- python3 train.py
  weft try --sites 4 --rounds 10 --evaluate -- python3 train.py --data part-{i}.csv
  weft try --data all.csv --partition dirichlet:0.5 --label digit -- python3 train.py --data {data}
  weft try --best accuracy:max -o best.safetensors -- python3 train.py
  weft try --local '*.bn*' -- python3 train.py  each site has its own normalisation
  weft try --kill 2@3 -- python3 train.py      a site dies in round 3; the others go on
  weft try --keep ./try -- python3 train.py    then: weft --dir try/site-1 ledger`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usage("the command stands after --: weft try -- %s", hint.Shell(args...))
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		RunE: e.runs(c.run),
	}
	f := cmd.Flags()
	f.IntVar(&c.sites, "sites", trySites, "how many sites")
	f.Uint64Var(&c.rounds, "rounds", tryRounds, "how many rounds")
	f.StringVar(&c.base, "base", "", "safetensors `file` or Hugging Face folder to start from; default: the script makes the model")
	c.data.flags(f)
	f.StringArrayVar(&c.local, "local", nil, localUsage)
	f.StringArrayVar(&c.train, "train", nil, "a hyperparameter of the run, `key=value`; may be repeated")
	f.BoolVar(&c.evaluate, "evaluate", false, "every site measures every model, the last one too")
	f.StringVar(&c.best, "best", "", "choose the best model by a `metric:max` or metric:min that the script measures; implies --evaluate")
	f.BoolVar(&c.cross, "cross-evaluate", false, "at the end every site measures every site's last update; implies --evaluate")
	f.BoolVar(&c.alone, "alone", false, "have each site train alone too, in as many rounds, and compare; implies --evaluate")
	f.StringArrayVar(&c.kills, "kill", nil, "kill a site's node while it trains, `site@round`, and start it again when the others have ended that round")
	f.StringVar(&c.keep, "keep", "", "make the sites' directories in this `folder` and keep them")
	f.StringVarP(&c.output, "output", "o", "", "write the last model here, or the best one")
	e.jsonFlag(cmd)
	return cmd
}

func (c *tryRun) run(ctx context.Context, e *env, command []string) (err error) {
	config, err := c.config(command)
	if err != nil {
		return err
	}
	if config.Exe, err = os.Executable(); err != nil {
		return err
	}
	tidy, err := c.folder(&config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tidy()) }()
	e.err.Printf("%s\n", c.says(&config, command))
	if err := c.staff(e, &config, command); err != nil {
		return err
	}
	t, err := try.New(config, e.err)
	if err != nil {
		return err
	}
	r, err := t.Run(ctx, func(ctx context.Context, r *try.Result) error { return c.save(ctx, t, r, &config) })
	if err == nil && c.alone {
		err = t.TrainAlone(ctx, r, config.Base())
	}
	if err != nil {
		return c.explained(err, &config)
	}
	if e.json {
		err = e.printJSON(r)
	} else {
		e.out.Printf("%s", r.Text(e.out))
	}
	if idle := r.Idle(); err == nil && len(idle) > 0 {
		err = fail(nil, "its log says why: --keep keeps it", "no update of %s has counted", strings.Join(idle, ", "))
	}
	return err
}

// config reads the flags.
func (c *tryRun) config(command []string) (config try.Config, err error) {
	config = try.Config{
		Heading: "weft try", About: strings.Join(command, " "), Keep: int(c.rounds) + 1, Measure: c.evaluate || c.alone || c.cross || c.best != "",
		Run: ledger.RunSpec{Name: "try", Rounds: c.rounds, Attempts: 1, Late: ledger.Drop},
	}
	if c.cross {
		config.Cross = ledger.CrossLast
	}
	if config.Run.Train, err = keyValues(c.train); err != nil {
		return config, err
	}
	if c.best != "" {
		if config.Best, err = runfile.ParseBest(c.best); err != nil {
			return config, usage("%v", err)
		}
	}
	for _, text := range c.kills {
		k, err := try.ParseKill(text)
		if err != nil {
			return config, usage("%v", err)
		}
		config.Kills = append(config.Kills, k)
	}
	if config.Model, err = c.model(); err != nil {
		return config, err
	}
	config.Run.Bounds = ledger.NewBounds(ledger.Bounded{Share: ledger.OpenShare}) // the sites are all one person's, and the mean is that of the papers
	config.Run.Constants = ledger.NewConstants(ledger.Beside{Local: c.local})
	if _, err := config.Run.Constants.Read(); err != nil {
		return config, usage("--local: at most %d patterns of 1 to %d bytes", ledger.MaxLocal, ledger.MaxTensorName)
	}
	if len(c.local) > 0 && c.alone {
		return config, usage("--alone starts from the model that the sites have in common, and with --local that is a part: leave one out")
	}
	if outfile.IsStdout(c.output) {
		return config, usage("the model cannot go where the result is printed: name a file with -o")
	}
	if c.sites < 1 || c.sites > try.MaxSites {
		return config, usage("%d sites, want 1 to %d", c.sites, try.MaxSites)
	}
	for i := range c.sites {
		config.Sites = append(config.Sites, try.Site{Name: try.SiteName(i)})
	}
	if err := config.Validate(); err != nil {
		return config, usage("%v", err)
	}
	if err := c.data.check(command); err != nil {
		return config, err
	}
	script, err := c.script(&config, command)
	if err == nil {
		err = script.Validate()
	}
	if err != nil {
		return config, hinted(errUsage, err, "")
	}
	return config, nil
}

// script is the command, in this folder.
func (c *tryRun) script(config *try.Config, command []string) (*local.Script, error) {
	dir, err := os.Getwd()
	s := &local.Script{Command: command, Dir: dir}
	for _, site := range config.Sites {
		s.Sites = append(s.Sites, site.Name)
	}
	return s, err
}

// staff deals the data out and gives every site its trainer.
func (c *tryRun) staff(e *env, config *try.Config, command []string) error {
	script, err := c.script(config, command)
	if err != nil {
		return err
	}
	parts, err := c.data.deal(e, config)
	if err != nil {
		return err
	}
	for _, p := range parts {
		script.Data = append(script.Data, p.Path)
	}
	for i := range config.Sites {
		config.Sites[i].Trainer = script.Trainer(i)
		if len(parts) > 0 {
			config.Sites[i].Has = fmt.Sprintf("%s rows", term.Count(float64(parts[i].Rows)))
		}
	}
	return nil
}

// model returns the full path of what is to be started from, if that is named.
func (c *tryRun) model() (string, error) {
	if c.base == "" {
		return "", nil
	}
	if _, err := os.Stat(c.base); err != nil {
		return "", advised(&failure{kind: errUsage, text: "--base", err: err}, "name a safetensors file or a Hugging Face folder, or leave --base out: the script makes the model")
	}
	return filepath.Abs(c.base)
}

// folder makes the folder of the sites' directories; tidy removes it if it is not to be kept.
func (c *tryRun) folder(config *try.Config) (tidy func() error, err error) {
	if c.keep != "" {
		if err := os.MkdirAll(c.keep, 0o700); err != nil {
			return nil, err
		}
		config.Dir, err = filepath.Abs(c.keep)
		return func() error { return nil }, err
	}
	config.Dir, err = os.MkdirTemp("", "weft-try-")
	return func() error { return os.RemoveAll(config.Dir) }, err
}

// says what is going to happen.
func (c *tryRun) says(config *try.Config, command []string) string {
	text := fmt.Sprintf("%s on this machine, %s, %s for each script: %s", term.Plural(len(config.Sites), "site"), term.Plural(c.rounds, "round"),
		term.Plural(local.ThreadsEach(len(config.Sites)), "thread"), strings.Join(command, " "))
	if c.keep != "" {
		text += "\nlogs: " + filepath.Join(config.Dir, "site-*", "node.log")
	}
	return text
}

// save writes the model that the person wants.
func (c *tryRun) save(ctx context.Context, t *try.Try, r *try.Result, config *try.Config) (err error) {
	if c.alone {
		if err := t.SaveFile(ctx, r.Run, r.Base, config.Base()); err != nil {
			return err
		}
	}
	model := r.Model
	if r.Best != nil {
		model = r.Best.Model
	}
	path := c.output
	switch {
	case path == "" && c.keep == "":
		return nil
	case path == "" && r.Best != nil:
		path = filepath.Join(c.keep, "best.safetensors")
	case path == "":
		path = filepath.Join(c.keep, "model.safetensors")
	}
	f, err := outfile.Create(path, nil)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := t.Save(ctx, r.Run, model, f); err != nil {
		return err
	}
	r.Output = path
	return f.Commit()
}

// explained returns an error of a try with what to do about it.
func (c *tryRun) explained(err error, config *try.Config) error {
	script := new(try.ScriptError)
	if !errors.As(err, &script) {
		return err
	}
	advice := script.Advice
	if advice == "" && c.keep == "" {
		advice = "what the script wrote is in the site's log: --keep DIR keeps it"
	} else if advice == "" {
		advice = "what the script wrote is in " + filepath.Join(config.Dir, script.Site, "node.log")
	}
	return advised(&failure{text: script.Error()}, advice)
}
