//go:build unix

package proctree

import "syscall"

// killGroup signals the process group whose leader is pid. A group that is gone is no error.
func killGroup(pid int, sig syscall.Signal) { _ = syscall.Kill(-pid, sig) }
