package proctree

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapPause is how long ended orphans wait for each other: there may be many at once.
const reapPause = 200 * time.Millisecond

// Adopt makes this process the parent of all that the processes it starts leave behind, and waits for those that end, until ctx
// ends. Nothing else in this process may start processes than Start.
func Adopt(ctx context.Context) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		defer signal.Stop(ended)
		for {
			reap()
			select {
			case <-ended:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(reapPause):
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// reap waits for the ended children of this process that it has not started. Waiting for any child would take those from Wait.
func reap() {
	started.Lock()
	defer started.Unlock()
	for pid, p := range readProcs() {
		if p.parent == os.Getpid() && !p.lives() && !started.pids[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // it is tried again with the next that ends
		}
	}
}
