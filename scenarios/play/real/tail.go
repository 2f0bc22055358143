package real

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/weft-mesh/weft/node/api"
)

// tail reads a node's trace while it grows. The file is read rather than the node asked, since what a node wrote
// before it was killed counts too.
type tail struct {
	path string
	file *os.File // nil: none yet
	part []byte   // of a line that is not complete
}

// read returns the events that have come. The file may have been rotated or removed since; what it had then is read first.
func (t *tail) read() (all []api.Event, err error) {
	for {
		if t.file == nil {
			t.file, err = os.Open(t.path)
			if errors.Is(err, fs.ErrNotExist) {
				return all, nil
			}
			if err != nil {
				return all, err
			}
		}
		replaced, err := t.replaced()
		if err != nil {
			return all, err
		}
		data, err := io.ReadAll(t.file)
		if err != nil {
			return all, err
		}
		all = append(all, t.parse(data)...)
		if !replaced {
			return all, nil
		}
		if err := t.close(); err != nil {
			return all, err
		}
	}
}

// replaced reports whether the path names another file than the one that is open.
func (t *tail) replaced() (bool, error) {
	now, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	was, err := t.file.Stat()
	return err == nil && !os.SameFile(now, was), err
}

// parse takes complete lines. Those that a crash has cut short are passed over.
func (t *tail) parse(data []byte) (all []api.Event) {
	t.part = append(t.part, data...)
	for {
		line, rest, ok := bytes.Cut(t.part, []byte("\n"))
		if !ok {
			return all
		}
		var e api.Event
		if json.Unmarshal(line, &e) == nil {
			all = append(all, e)
		}
		t.part = rest
	}
}

func (t *tail) close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file, t.part = nil, nil
	return err
}
