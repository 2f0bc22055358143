package train

import "syscall"

// ownGroup puts the process into a group of its own, so that one signal reaches all it
// started, and has the kernel kill it when the node dies, even by kill -9 (prctl(2),
// PR_SET_PDEATHSIG).
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
