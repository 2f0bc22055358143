package train

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train/proctree"
)

const (
	// tokenHeader is how a process names itself, for a node that cannot see which one it is.
	tokenHeader = "Weft-Process"
	// maxToken bounds what is kept of that, in bytes.
	maxToken = 64
)

// caller is a process that speaks to a desk.
type caller struct {
	process proctree.Process // as the kernel says; none where it does not: in another container, or elsewhere than on Linux
	token   string           // as it says itself
	imports bool             // it is a worker of the script, and imports that
}

// peerKey has the process at the other end of a connection in the context of its requests.
type peerKey struct{}

// withPeer notes who is at the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, proctree.Of(peerPID(c)))
}

// callerOf returns who makes a request.
func callerOf(r *http.Request) caller {
	process, _ := r.Context().Value(peerKey{}).(proctree.Process) // none in tests without a connection
	token := r.Header.Get(tokenHeader)
	return caller{process, token[:min(len(token), maxToken)], r.URL.Query().Get("worker") == "1"}
}

// is reports whether two callers are one process.
func (c caller) is(o caller) bool {
	if c.process.PID != 0 && o.process.PID != 0 {
		return c.process == o.process
	}
	return c.token == o.token
}

// lives reports whether the process may still answer; of one that nobody can see it is not known.
func (c caller) lives() bool { return c.process.PID == 0 || c.process.Lives() }

// name names the process.
func (c caller) name() string {
	if c.process.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", c.process.PID)
}

const guard = "guard the script: if __name__ == \"__main__\": main()"

// second refuses a process that asks while another has the task.
func (c caller) second(holder caller) error {
	return refuse(notYours, "one process speaks to the node: call weft on rank 0 alone; if it is a worker, "+guard, "%s asks for a task, but %s of the same script has it", c.name(), holder.name())
}

// worker says what is wrong with a worker that begins the script anew.
func (c caller) worker() error {
	return hint.Add(fmt.Errorf("%w: %s", ErrWorker, c.name()), guard)
}
