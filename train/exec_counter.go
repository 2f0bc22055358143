package train

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/hint"
)

// maxSocketPath is the longest path of a Unix socket on every system: sun_path has 104
// bytes on macOS and 108 on Linux, one of them for the final zero.
const maxSocketPath = 103

// counter is where one life of a process speaks to its desk: a socket in a folder that only this user can enter.
type counter struct {
	server *http.Server
	dir    string
	socket string // path
}

// openCounter opens a desk to callers, below runDir, or in the system's folder for temporary files.
func openCounter(d *desk, runDir string) (c *counter, err error) {
	c = &counter{}
	for _, parent := range []string{runDir, os.TempDir()} {
		if parent == "" {
			continue
		}
		if c.dir, err = os.MkdirTemp(parent, "trainer-"); err != nil {
			return nil, fmt.Errorf("folder for the trainer's socket: %w", err)
		}
		if c.socket, err = filepath.Abs(filepath.Join(c.dir, "s")); err == nil && len(c.socket) <= maxSocketPath {
			break
		}
		os.Remove(c.dir)
		c.socket = ""
	}
	if c.socket == "" {
		return nil, hint.Add(fmt.Errorf("no folder for the trainer's socket: paths have at most %d bytes", maxSocketPath), "set TMPDIR to a short path")
	}
	l, err := listen(c.socket)
	if err != nil {
		os.RemoveAll(c.dir)
		return nil, err
	}
	c.server = newServer(d)
	go func() { _ = c.server.Serve(l) }() // until close, which is its error
	return c, nil
}

// listen makes a socket that only this user can open.
func listen(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("trainer's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("trainer's socket: %w", err)
	}
	return l, nil
}

// close ends every call, and leaves nothing in the file system.
func (c *counter) close() {
	c.server.Close()
	os.RemoveAll(c.dir)
}
