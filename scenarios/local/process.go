//go:build unix

package local

import "syscall"

// signalNode signals a node's process. A clean end is the node's own work; kill -9 goes to its
// group, as a power cut takes the trainers too.
func signalNode(pid int, sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		return syscall.Kill(-pid, sig)
	}
	return syscall.Kill(pid, sig)
}
