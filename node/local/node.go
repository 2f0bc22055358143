package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node"
)

const (
	stopGrace   = 5 * time.Second        // for a node to end after SIGTERM
	readyWait   = 30 * time.Second       // for a node to answer after its start
	pollEvery   = 100 * time.Millisecond // between two questions to a node
	logTail     = 2 << 10                // bytes of a node's log in an error
	logFileName = "node.log"
)

// ErrExited is returned for a node whose process ended by itself; the text has its last words.
var ErrExited = errors.New("node ended")

// Node is a site of the mesh and, while it runs, its process.
type Node struct {
	Name   string
	Dir    string
	ID     peer.ID
	Client *node.Client

	exe  string
	addr string

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
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %s: %w", n.Name, err)
	}
	exited := make(chan struct{})
	n.cmd, n.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}()
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

// Kill ends the process as a power cut would (kill -9), with all it started.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL, 0) }

// Stop ends the process cleanly, or kills it if that takes too long.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM, stopGrace) }

func (n *Node) end(sig syscall.Signal, grace time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return nil
	}
	pid := n.cmd.Process.Pid
	err := signalNode(pid, sig)
	if grace > 0 {
		select {
		case <-n.exited:
		case <-time.After(grace):
			err = signalNode(pid, syscall.SIGKILL)
		}
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end node %s: %w", n.Name, err)
	}
	<-n.exited
	n.cmd = nil
	return nil
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
