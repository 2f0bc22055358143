package proctree

import (
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Tree is a process that was started here, and all that it has started.
type Tree struct {
	cmd  *exec.Cmd
	mark string // NAME=value in the environment of all of them
	note *note

	mu    sync.Mutex
	start uint64           // when the first process began, as /proc counts
	seen  map[Process]bool // that belonged to it when they were looked at
}

// Process is one that does not get mixed up with a later one of the same number.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // as /proc counts
}

// started are the processes that were started here and not waited for yet. The mutex is held while one is started.
var started = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// Start starts a command in a process group of its own. The mark is an entry of the command's environment which no other tree has.
// The start is noted in a folder, unless that is empty, before the program runs. The caller waits by Wait, and calls End then.
//
// It keeps the caller's thread until Wait has returned, if the caller has locked it: Linux kills the process when that thread ends.
func Start(cmd *exec.Cmd, mark, notes string) (*Tree, error) {
	cmd.SysProcAttr = ownGroup()
	n, err := newNote(notes, mark)
	if err != nil {
		return nil, err
	}
	started.Lock()
	defer started.Unlock()
	if err := cmd.Start(); err != nil {
		n.remove()
		return nil, err
	}
	started.pids[cmd.Process.Pid] = true
	t := &Tree{cmd: cmd, mark: mark, note: n, start: begun(cmd.Process.Pid), seen: map[Process]bool{}}
	n.of(Process{cmd.Process.Pid, t.start})
	return t, nil
}

// Wait waits for the process that was started, and returns how it ended.
func (t *Tree) Wait() error {
	err := t.cmd.Wait()
	started.Lock()
	defer started.Unlock()
	delete(started.pids, t.cmd.Process.Pid)
	return err
}

// Launches reports whether the process that was started has processes of its own, as launchers have. Elsewhere than on Linux
// nobody knows.
func (t *Tree) Launches() bool { return len(t.look()) > 1 }

// Signal sends a signal to the process that was started and its group. Launchers pass on to others what they get.
func (t *Tree) Signal(sig syscall.Signal) {
	t.look() // who has a parent now is known when that is gone
	killGroup(t.cmd.Process.Pid, sig)
}

// End ends all of the tree, and returns what outlives that for longer than a limit.
func (t *Tree) End(limit time.Duration) (left []Process) {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left = t.look()
		killGroup(t.cmd.Process.Pid, syscall.SIGKILL)
		for _, p := range left {
			p.kill()
		}
		if len(left) == 0 {
			t.note.remove()
			return nil
		}
		if time.Now().After(deadline) {
			return left // the note stays: the next life tries again
		}
		time.Sleep(pause)
	}
}
