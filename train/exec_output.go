package train

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxLine    = 4 << 10 // bytes of one line that are kept
	tailLines  = 1000    // lines of standard error kept to look for the cause: a traceback through a framework is long, and each rank has one
	shownLines = 20      // of these, in an error message
)

// What a process writes goes into the log up to these rates, for a loop that prints would fill the disk.
const (
	burstLines = 1000
	lineRate   = 50 // a second
	burstBytes = 256 << 10
	byteRate   = 16 << 10
)

// throttle counts the lines of a process that are left out of the log. The zero throttle has nothing to give before the first call.
type throttle struct {
	mu      sync.Mutex
	lines   float64 // that may go into the log at once
	bytes   float64
	at      time.Time // of the last line
	omitted int       // since one went into the log
}

// admit reports whether a line goes into the log, and if so how many were left out before it. Once some are left out, so are all
// until there is room for those of a second.
func (t *throttle) admit(now time.Time, bytes int) (ok bool, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	passed := now.Sub(t.at).Seconds()
	t.at = now
	t.lines, t.bytes = min(burstLines, t.lines+passed*lineRate), min(burstBytes, t.bytes+passed*byteRate)
	if t.lines < 1 || t.bytes < float64(bytes) || t.omitted > 0 && t.lines < lineRate {
		t.omitted++
		return false, 0
	}
	t.lines, t.bytes = t.lines-1, t.bytes-float64(bytes)
	return true, t.take()
}

// rest returns how many lines were left out at the end.
func (t *throttle) rest() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take()
}

func (t *throttle) take() int {
	n := t.omitted
	t.omitted = 0
	return n
}

// omission is the line that stands in the log for those that were left out.
func omission(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return fmt.Sprintf("... %s lines left out", digits)
}

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
	if len(t.last) == 2*tailLines {
		t.last = append(t.last[:0], t.last[tailLines:]...)
	}
	t.last = append(t.last, line)
}

// lines returns the lines kept, oldest first.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.last[max(0, len(t.last)-tailLines):])
}
