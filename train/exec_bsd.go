//go:build unix && !linux

package train

import "syscall"

// ownGroup puts the process into a group of its own, so that one signal reaches all it started.
// Without Linux' PR_SET_PDEATHSIG a process whose node was killed ends at its next call instead.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
