//go:build unix && !linux

package proctree

import (
	"context"
	"syscall"
)

// ownGroup puts the process into a group of its own, so that one signal reaches all it started.
// Without Linux' PR_SET_PDEATHSIG a process whose node was killed ends at its next call instead.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Adopt has nothing to do where orphans go to the system's first process.
func Adopt(context.Context) error { return nil }

// Of returns none.
func Of(int) Process { return Process{} }

func begun(int) uint64 { return 0 }

func boot() string { return "" }

func (t *Tree) look() []Process { return nil }

func (p Process) kill() {}

// Lives is never known.
func (p Process) Lives() bool { return false }

func marked(noted) []Process { return nil }
