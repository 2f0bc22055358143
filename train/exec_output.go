package train

import (
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	maxLine    = 4 << 10 // bytes of one line that are kept
	tailLines  = 200     // lines of standard error kept to look for the cause: a traceback through a framework is long
	shownLines = 20      // of these, in an error message
)

// eachLine calls emit for every line of r that is not blank, until r ends or fails. What a
// carriage return wipes out, as progress bars do, is dropped, and so is what exceeds maxLine.
func eachLine(r io.Reader, emit func(string)) {
	var line []byte
	wipe := false
	flush := func() {
		if s := strings.ToValidUTF8(string(line), "\uFFFD"); strings.TrimSpace(s) != "" {
			emit(s)
		}
		line, wipe = line[:0], false
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			switch {
			case b == '\n':
				flush()
				continue
			case b == '\r':
				wipe = true
				continue
			case wipe:
				line, wipe = line[:0], false
			}
			if len(line) < maxLine {
				line = append(line, b)
			}
		}
		if err != nil {
			flush()
			return
		}
	}
}

// tail keeps the last tailLines lines it was given. The zero tail is empty.
type tail struct {
	mu   sync.Mutex
	last []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == tailLines {
		t.last = slices.Delete(t.last, 0, 1)
	}
	t.last = append(t.last, line)
}

// lines returns the lines kept, oldest first.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.last)
}
