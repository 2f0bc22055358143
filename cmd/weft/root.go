package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// dirEnv is the environment variable that names the site's directory.
const dirEnv = "WEFT_DIR"

// app is what every command works with.
type app struct {
	dir     string // the site's directory
	json    bool   // write JSON, for machines
	out     *term.Out
	err     *term.Out
	started bool // flags and arguments were understood
	node    *api.Client
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: term.New(stdout), err: term.New(stderr)}
	root := a.rootCmd()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = usage("%s", plainFlagError(err))
	}
	err = helped(cmd, err)
	if failed := a.out.Err(); err == nil && failed != nil {
		err = fmt.Errorf("write standard output: %w", failed)
	}
	return a.report(ctx, err)
}

func (a *app) rootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "Train one model at many sites, with no server",
		Long: `weft is a mesh of sites that train one model together. Every site keeps its data;
after each round all hold the same new model, byte for byte, with a certificate
signed by a quorum of sites.`,
		Example: `  weft demo                    three sites on this machine, in two minutes
  weft init --name hospital-a  make this machine a site
  weft up                      run the site's node
  weft status --watch          see what it does`,
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
		Args:             cobra.ArbitraryArgs, // group names the unknown ones
		RunE:             group,
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", term.Width)))
	root.PersistentFlags().StringVar(&a.dir, "dir", defaultDir(), "the site's directory, also $"+dirEnv)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"}) // --help says the same
	root.AddCommand(
		a.demoCmd(), a.scenarioCmd(), a.initCmd(), a.idCmd(), a.meshCmd(), a.rosterCmd(), a.upCmd(), a.runCmd(), a.statusCmd(), a.peersCmd(),
		a.ledgerCmd(), a.modelCmd(), a.trainerCmd(), strategyCmd(a), a.verifyCmd(), a.catCmd(), a.benchCmd(), a.versionCmd(),
	)
	explainArgs(root)
	wrapHelp(root)
	return root
}

// plainFlagError says of a flag that cannot be read what is wrong, without the function that could not read it.
func plainFlagError(err error) string {
	var parse *strconv.NumError
	if !errors.As(err, &parse) {
		return err.Error()
	}
	want := "want a number"
	switch {
	case parse.Func == "ParseBool":
		want = "want true or false"
	case errors.Is(parse, strconv.ErrRange):
		want = "it is out of range"
	case parse.Func == "ParseUint":
		want = "want a whole number from 0"
	case parse.Func == "ParseInt":
		want = "want a whole number"
	}
	return strings.Replace(err.Error(), parse.Error(), want, 1)
}

// group is the body of a command that only has subcommands.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = 2
	like := slices.DeleteFunc(cmd.SuggestionsFor(args[0]), func(s string) bool { return s == "stop" || s == "remove" }) // not for who has guessed
	if len(like) > 0 {
		return usage("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), strings.Join(like, " or "))
	}
	return usage("unknown command %q for %q", args[0], cmd.CommandPath())
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { a.out.Printf("weft version %s\n", version()) },
	}
}

// wrapHelp fits the paragraphs of all commands' descriptions to the width that texts are written for; lines that are
// set in are left as they are.
func wrapHelp(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		wrapHelp(c)
	}
	paragraphs := strings.Split(cmd.Long, "\n\n")
	for i, p := range paragraphs {
		if !strings.HasPrefix(p, " ") && !strings.Contains(p, "\n ") {
			paragraphs[i] = strings.Join(term.Wrap(p, term.Width), "\n")
		}
	}
	cmd.Long = strings.Join(paragraphs, "\n\n")
}

// explainArgs lets every command say what arguments it wants when it gets others.
func explainArgs(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		explainArgs(c)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case len(args) == 0:
			return fmt.Errorf("an argument is missing: %s", cmd.UseLine())
		}
		return fmt.Errorf("unexpected argument %q: %s", args[len(args)-1], cmd.UseLine())
	}
}

func defaultDir() string {
	if dir := os.Getenv(dirEnv); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".weft"
	}
	return filepath.Join(home, ".weft")
}

// jsonFlag gives a reading command --json.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "write JSON, for machines")
}

// printJSON writes v as indented JSON.
func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	a.out.Println(string(b))
	return nil
}

// client returns the local API of the site's node.
func (a *app) client() *api.Client {
	if a.node == nil {
		a.node = api.Dial(a.dir)
	}
	return a.node
}
