package local

import "syscall"

// ownGroup puts a node into a process group of its own, so that a Ctrl-C at the terminal
// reaches only its parent, which ends it in order, and has the kernel kill it when the
// parent dies (prctl(2), PR_SET_PDEATHSIG).
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
