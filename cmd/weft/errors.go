package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node"
)

// Exit codes, as docs/cli.md has them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2   // the command line or a file given by it is wrong
	exitNotRunning  = 3   // the site's node does not run or does not answer
	exitUnverified  = 4   // something does not verify
	exitInterrupted = 130 // Ctrl-C
)

var (
	errUsage      = errors.New("usage")
	errUnverified = errors.New("does not verify")
)

// failure is an error of a command.
type failure struct {
	kind error // the reason for the exit code, or another that a caller asks for; or nil
	text string
	err  error // what it comes from, or nil
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.text + ": " + f.err.Error()
	}
	return f.text
}

func (f *failure) Unwrap() []error { return []error{f.kind, f.err} }

// usage returns an error of the command line; the hint is the command's help.
func usage(format string, args ...any) error {
	return &failure{kind: errUsage, text: fmt.Sprintf(format, args...)}
}

// fail returns an error with what to do about it, which may be empty; err may be nil.
func fail(err error, advice, format string, args ...any) error {
	return advised(&failure{err: err, text: fmt.Sprintf(format, args...)}, advice)
}

// hinted returns an error of a kind with the hint that err brings along, or else with the one given.
func hinted(kind, err error, otherwise string) error {
	text, own := hint.Split(err)
	return advised(&failure{kind: kind, text: text}, cmp.Or(own, otherwise))
}

// advised adds a hint unless it is empty.
func advised(err error, advice string) error {
	if advice == "" {
		return err
	}
	return hint.Add(err, advice)
}

// helped returns err with the hint that cmd has a help, if it is about the command line and has no better one.
func helped(cmd *cobra.Command, err error) error {
	if !errors.Is(err, errUsage) || hint.Of(err) != "" {
		return err
	}
	return hint.Add(err, fmt.Sprintf("`%s --help` shows flags and examples", cmd.CommandPath()))
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

// exitCode is the exit code for a command's error.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, node.ErrNotRunning), isConnection(err):
		return exitNotRunning
	case errors.Is(err, errUnverified), errors.Is(err, node.ErrChain):
		return exitUnverified
	case errors.Is(err, term.ErrInterrupted), errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailure
}

// isConnection reports whether a node went away, or could not be reached, while it was asked.
func isConnection(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// end prints a command's error and returns the exit code.
func end(ctx context.Context, out *term.Out, err error) int {
	code := exitCode(ctx, err)
	switch code {
	case exitOK:
	case exitInterrupted:
		out.Println("weft: interrupted")
	default:
		out.Printf("%s %v\n", out.Bad("weft:"), err)
	}
	return code
}
