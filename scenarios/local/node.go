package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node/api"
)

const (
	readyWait = 30 * time.Second       // for a node to answer after its start
	pollEvery = 100 * time.Millisecond // between two questions to a node
	logTail   = 2 << 10                // bytes of a node's log in an error

	logFileName    = "node.log"
	configFileName = "config.yaml"
)

// kept is what a site whose disk is lost still has: what its operator keeps elsewhere, and the log for
// whoever looks into the matter.
var kept = []string{configFileName, "key", "genesis.cbor", logFileName}

// ErrExited is returned for a node whose process ended by itself; the text has its last words.
var ErrExited = errors.New("node ended")

// Node is a site of the mesh and, while it runs, its process.
type Node struct {
	Name   string
	Dir    string
	ID     peer.ID
	Client *api.Client

	exe   string
	start func(*exec.Cmd) error

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd's process has ended
}

// Start starts the node's process. It returns before the node answers; see Ready.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return fmt.Errorf("node %s runs already", n.Name)
	}
	log, err := os.OpenFile(filepath.Join(n.Dir, logFileName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.exe, "--dir", n.Dir, "up")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	started, exited := make(chan error), make(chan struct{})
	go func() {
		defer close(exited)
		// The kernel ends the process with the thread that started it (see ownGroup), so that must not end first.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		start := (*exec.Cmd).Start
		if n.start != nil {
			start = n.start
		}
		err := start(cmd)
		if started <- err; err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start node %s: %w", n.Name, err)
	}
	n.cmd, n.exited = cmd, exited
	return nil
}

// Ready waits until the node answers.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		_, err := n.Client.Status(ctx)
		if err == nil {
			return nil
		}
		if !n.Running() {
			return n.lastWords()
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}

// Running reports whether the node's process was started and has not ended.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// stopGrace is how long a process that was asked to end may take.
const stopGrace = 40 * time.Second // more than its trainer may take

// Stop asks the process to end, and kills it if that takes too long.
func (n *Node) Stop() error {
	if err := n.signal(syscall.SIGTERM); err != nil {
		return err
	}
	for end := time.Now().Add(stopGrace); n.Running() && time.Now().Before(end); time.Sleep(pollEvery) {
	}
	return n.Kill()
}

// Kill ends the process as a power cut would (kill -9), with all it started.
func (n *Node) Kill() error {
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		<-n.exited
		n.cmd = nil
	}
	return nil
}

// Pause stops the process, with all it started, in the middle of whatever it does; Resume lets it go on.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a process go on that was paused.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return nil
	}
	if err := syscall.Kill(-n.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %v to node %s: %w", sig, n.Name, err)
	}
	return nil
}

// Forget empties the directory of a site that does not run, but for its key, configuration and mesh: its disk is
// lost, and its operator has set it up again.
func (n *Node) Forget() error {
	if n.Running() {
		return fmt.Errorf("node %s still runs: its directory is in use", n.Name)
	}
	all, err := os.ReadDir(n.Dir)
	if err != nil {
		return err
	}
	for _, f := range all {
		if !slices.Contains(kept, f.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(n.Dir, f.Name())))
		}
	}
	return err
}

// lastWords returns ErrExited with the end of the node's log.
func (n *Node) lastWords() error {
	data, err := os.ReadFile(filepath.Join(n.Dir, logFileName))
	if err != nil {
		return fmt.Errorf("%w: %s", ErrExited, n.Name)
	}
	return fmt.Errorf("%w: %s; its log ends:\n%s", ErrExited, n.Name, bytes.TrimSpace(data[max(0, len(data)-logTail):]))
}

// Check returns ErrExited if the node's process has ended by itself.
func (n *Node) Check() error {
	n.mu.Lock()
	started := n.cmd != nil
	n.mu.Unlock()
	if started && !n.Running() {
		return n.lastWords()
	}
	return nil
}
