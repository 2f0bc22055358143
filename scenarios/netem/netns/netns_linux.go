package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace of this process's making. Its loopback interface is up.
type Namespace struct {
	work chan func()
	done chan struct{} // closed when the thread is gone
}

// New makes a namespace. Its errors are ErrUnavailable.
func New() (*Namespace, error) {
	n := &Namespace{work: make(chan func()), done: make(chan struct{})}
	made := make(chan error)
	go n.hold(made)
	if err := <-made; err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n, nil
}

// hold moves a thread into a new namespace and does there what Do asks for. The thread is never given back to
// Go's scheduler: it ends with this goroutine.
func (n *Namespace) hold(made chan<- error) {
	runtime.LockOSThread()
	defer close(n.done)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		made <- os.NewSyscallError("unshare", err)
		return
	}
	err := up("lo")
	made <- err
	if err != nil {
		return
	}
	for f := range n.work {
		f()
	}
}

// Do calls f on the namespace's thread: sockets that it opens and processes that it starts are of the
// namespace. One call runs at a time.
func (n *Namespace) Do(f func() error) error {
	err := make(chan error)
	n.work <- func() { err <- f() }
	return <-err
}

// Open returns the namespace as a file, for tools that are to move an interface into it.
func (n *Namespace) Open() (f *os.File, err error) {
	err = n.Do(func() error {
		f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return f, err
}

// Close ends the namespace's thread, and with it every process that was started on it to die with
// its parent. No Do may be running or come after.
func (n *Namespace) Close() {
	close(n.work)
	<-n.done
}
