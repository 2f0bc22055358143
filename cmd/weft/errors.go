package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
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

// failure is an error with its exit code's reason and what to do about it.
type failure struct {
	kind error // errUsage, errUnverified, another that is asked for, or nil
	text string
	err  error // what it comes from, or nil
	hint string
}

func (f *failure) Error() string {
	s := f.text
	if f.err != nil {
		s += ": " + f.err.Error()
	}
	if f.hint != "" {
		s += "\n  hint: " + f.hint
	}
	return s
}

func (f *failure) Unwrap() []error { return []error{f.kind, f.err} }

// usage returns an error of the command line; the hint is the command's help.
func usage(format string, args ...any) error {
	return &failure{kind: errUsage, text: fmt.Sprintf(format, args...)}
}

// helped returns err with the hint that cmd has a help, if it is about the command line and has no better one.
func helped(cmd *cobra.Command, err error) error {
	var f *failure
	if errors.As(err, &f) && errors.Is(f.kind, errUsage) && f.hint == "" {
		f.hint = fmt.Sprintf("`%s --help` shows flags and examples", cmd.CommandPath())
	}
	return err
}

// fail returns an error with a hint; err may be nil.
func fail(err error, hint, format string, args ...any) error {
	return &failure{err: err, hint: hint, text: fmt.Sprintf(format, args...)}
}

// hinted returns an error with the hint that it brings along, or else with the one given.
func hinted(kind, err error, otherwise string) error {
	text, advice := hint.Split(err)
	return &failure{kind: kind, text: text, hint: cmp.Or(advice, otherwise)}
}

// exitCode is the exit code for a command's error.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, api.ErrNotRunning), isConnection(err):
		return exitNotRunning
	case errors.Is(err, errUnverified), errors.Is(err, archive.ErrChain):
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

// report prints a command's error and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	switch code {
	case exitOK:
	case exitInterrupted:
		a.err.Println("weft: interrupted")
	default:
		a.err.Printf("%s %v\n", a.err.Bad("weft:"), err)
	}
	return code
}
