package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// OldTrace is appended to the name of the trace's file when the next one begins.
const OldTrace = ".1"

// ReadTrace calls each with the events of a file of a site's trace, in order. Lines that a crash has cut short are passed over; a
// file that is not there has no events.
func ReadTrace(path string, each func(Event)) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, MaxTraceLine)
	for lines.Scan() {
		var ev Event
		if json.Unmarshal(lines.Bytes(), &ev) == nil {
			each(ev)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}
