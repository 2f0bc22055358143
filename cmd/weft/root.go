package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
)

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{out: term.New(stdout), err: term.New(stderr)}
	root := newRoot(e)
	started := false // flags and arguments were understood
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(e.out)
	root.SetErr(e.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		err = usage("%s", plainFlagError(err))
	}
	err = helped(cmd, err)
	if failed := e.out.Err(); err == nil && failed != nil {
		err = fmt.Errorf("write standard output: %w", failed)
	}
	return end(ctx, e.err, err)
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "Train one model at many sites, with no server",
		Long: `weft is a mesh of sites that train one model together. Every site keeps its data;
after each round all hold the same new model, byte for byte, with a certificate
signed by a quorum of sites.`,
		Example: labExample + `  weft init --name hospital-a  make this machine a site
  weft up                      run the site's node
  weft status --watch          see what it does`,
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs, // group names the unknown ones
		RunE: group,
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", term.Width)))
	root.PersistentFlags().StringVar(&e.dir, "dir", defaultDir(), "the site's directory, also $"+dirEnv)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"}) // --help says the same
	root.AddCommand(
		newInit(e), newBackup(e), newRestore(e), newID(e), newMesh(e), newRoster(e), newUp(e), newRun(e), newStatus(e), newPeers(e),
		newLedger(e), newModel(e), newGenerate(e), newTrainer(e), newStrategy(e), newVerify(e), newDoctor(e), newCat(e), newVersion(e),
	)
	root.AddCommand(newLab(e)...)
	explainArgs(root)
	wrapHelp(root)
	return root
}

// newGroup returns a command that only has subcommands.
func newGroup(cmd *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	cmd.RunE = group
	cmd.AddCommand(subcommands...)
	return cmd
}

// group is the body of a command that only has subcommands.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = 2
	like := slices.DeleteFunc(cmd.SuggestionsFor(args[0]), func(s string) bool { return s == "stop" || s == "remove" }) // a guess must not lead there
	if len(like) > 0 {
		return usage("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), strings.Join(like, " or "))
	}
	return usage("unknown command %q for %q", args[0], cmd.CommandPath())
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
		case len(args) == 0, check(cmd, append(slices.Clone(args), "")) == nil:
			return fmt.Errorf("an argument is missing: %s", cmd.UseLine())
		}
		return fmt.Errorf("unexpected argument %q: %s", args[len(args)-1], cmd.UseLine())
	}
}
