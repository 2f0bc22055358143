//go:build unix && !linux

package local

import "syscall"

// ownGroup puts a node into a process group of its own, so that a Ctrl-C at the terminal
// reaches only its parent, which ends it in order.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
