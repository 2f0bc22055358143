package proctree

import (
	"os"
	"syscall"
)

// ownGroup puts the process into a group of its own, and has the kernel kill it when the node dies, even by kill -9 (prctl(2),
// PR_SET_PDEATHSIG).
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// look returns the living processes of the tree, and remembers them.
func (t *Tree) look() (living []Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, own := readProcs(), map[int]bool{}
	leader := t.cmd.Process.Pid
	for pid, p := range all {
		if p.Start < t.start || pid == os.Getpid() {
			continue
		}
		own[pid] = p.Process == Process{leader, t.start} || p.group == leader || t.seen[p.Process] || p.has(t.mark)
	}
	for _, p := range heirs(all, own) {
		if p.PID != os.Getpid() {
			t.seen[p.Process] = true
			if p.lives() {
				living = append(living, p.Process)
			}
		}
	}
	for p := range t.seen {
		if all[p.PID].Process != p {
			delete(t.seen, p) // it is gone
		}
	}
	return living
}

// Lives reports whether a process has not ended.
func (p Process) Lives() bool {
	now, ok := readProc(p.PID)
	return ok && now.Process == p && now.lives()
}

// kill ends a process, and never another one that has got its number meanwhile.
func (p Process) kill() {
	handle, err := os.FindProcess(p.PID) // a descriptor of the process that has the number now
	if err != nil {
		return
	}
	defer func() { _ = handle.Release() }()
	if p.Lives() {
		_ = handle.Signal(syscall.SIGKILL) // one that has just ended is no error
	}
}
