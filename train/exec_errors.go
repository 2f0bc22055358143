package train

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

var (
	// ErrClosed is returned for a task when the trainer was closed.
	ErrClosed = errors.New("trainer is closed")
	// ErrCommand is returned for a trainer command that cannot be started.
	ErrCommand = errors.New("trainer command cannot be started")
	// ErrDir is the ErrCommand of which the working directory is the cause.
	ErrDir = errors.New("working directory")
	// ErrTimeout is returned for a task that takes longer than the trainer may.
	ErrTimeout = errors.New("the trainer takes too long")
	// ErrWorker is returned for a task whose script has started workers that begin it anew.
	ErrWorker = errors.New("a worker of the script has imported the script, and asks for a task of its own")
	// ErrNoUpdate is returned for a task that the process put down without an update.
	ErrNoUpdate = hint.Add(
		errors.New("trainer asked for its next task without sending an update for this one"),
		"call send once for each receive, also when a task fails",
	)
)

// foreignPackage is what Python says of a call of ours in the package weft of the public index, which is not ours.
const foreignPackage = "AttributeError: module 'weft' has no attribute "

// noPackage is what Python says where the package is not installed.
const noPackage = "ModuleNotFoundError: No module named 'weft'"

// ExitError is returned for a task when the user's process ended before it answered.
type ExitError struct {
	Command string   // as a person would type it
	Status  string   // such as "exit status 1" or "signal: killed"
	Code    int      // the exit code, -1 if a signal ended the process
	Asked   bool     // whether the process had asked for the task
	Stderr  []string // the last lines of its standard error, oldest first
}

// Error returns what happened, the very last lines of standard error, and a hint if those say nothing, on several lines.
func (e *ExitError) Error() string {
	text := e.what()
	if len(e.Stderr) > 0 {
		text += "; the last lines of its standard error:\n    " + strings.Join(e.Stderr[max(0, len(e.Stderr)-shownLines):], "\n    ")
	}
	if advice := e.own(); advice != "" {
		text += "\nhint: " + advice
	}
	return text
}

// Brief is Error in one line and without the hint: of standard error it has what says the cause.
func (e *ExitError) Brief() string {
	text := e.what()
	if cause, _ := cause(e.Stderr); cause != "" {
		text += ": " + cause
	}
	if at := place(e.Stderr); at != "" {
		text += " (" + at + ")"
	}
	return text
}

// Advice says what to do about it. Where nothing is known here, it is what the process has said itself.
func (e *ExitError) Advice() string {
	_, said := cause(e.Stderr)
	return cmp.Or(e.own(), said)
}

func (e *ExitError) what() string {
	when := "before it asked for a task"
	if e.Asked {
		when = "before it sent an update"
	}
	return fmt.Sprintf("trainer %q ended with %s %s", e.Command, e.Status, when)
}

// own is the advice that follows from how the process ended.
func (e *ExitError) own() string {
	switch {
	case slices.ContainsFunc(e.Stderr, func(line string) bool { return strings.Contains(line, foreignPackage) }):
		return "the script found another project's package named weft: uninstall that one, and install weft-mesh"
	case slices.ContainsFunc(e.Stderr, func(line string) bool { return strings.Contains(line, noPackage) }):
		return "the script's Python has no package weft: install weft-mesh into it"
	case e.Code == 0 && e.Asked:
		return "the script ended by itself: call send before it returns"
	case e.Code == 0:
		return "the script ended by itself: call init and receive before it returns"
	case e.Code == -1:
		return "something killed the process: if it was not you, look for the kernel's out-of-memory killer in dmesg"
	case len(e.Stderr) == 0:
		return "the process wrote nothing to standard error: run the command by hand in its folder"
	}
	return "" // the process says it in its own words
}

// Explain returns an error of a trainer in one line, and what to do about it where that is known.
func Explain(err error) (text, advice string) {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Brief(), exit.Advice() // the log has all that the process wrote
	}
	return hint.Split(err)
}
