package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// summary prints what go test says without -v, and gathers what was skipped.
type summary struct {
	out     io.Writer
	tests   int
	said    map[[2]string]*strings.Builder // of tests that have not ended, by package and name
	skipped map[string][]string            // tests by reason
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, said: map[[2]string]*strings.Builder{}, skipped: map[string][]string{}}
}

const maxLine = 16 << 20 // bytes of an event

// read takes events to their end. A line that is none is printed: the go command has more to say than tests.
func (s *summary) read(events io.Reader) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintf(s.out, "%s\n", lines.Bytes())
			continue
		}
		s.take(&e)
	}
	return lines.Err()
}

func (s *summary) take(e *event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		switch {
		case e.Test == "" && e.Output != "PASS\n":
			fmt.Fprint(s.out, e.Output)
		case e.Test != "":
			if s.said[key] == nil {
				s.said[key] = &strings.Builder{}
			}
			s.said[key].WriteString(e.Output)
		}
	case "pass", "skip", "fail":
		if e.Test == "" {
			s.drop(e.Package, e.Action == "fail")
			return
		}
		s.tests++
		text := s.said[key]
		delete(s.said, key)
		switch {
		case text == nil:
		case e.Action == "fail":
			fmt.Fprint(s.out, text)
		case e.Action == "skip":
			why := reason(text.String())
			s.skipped[why] = append(s.skipped[why], e.Package+" "+e.Test)
		}
	}
}

// drop forgets the tests of a package that has ended, and prints what they said if it failed: one of them may have ended it.
func (s *summary) drop(pkg string, failed bool) {
	for _, key := range slices.SortedFunc(maps.Keys(s.said), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
		if key[0] != pkg {
			continue
		}
		if failed {
			fmt.Fprint(s.out, s.said[key])
		}
		delete(s.said, key)
	}
}

// saying is a line that a test has said by its log: the first of what it says, after the place.
var saying = regexp.MustCompile(`(?m)^ +\w+\.go:\d+: (.*)$`)

// reason is what a skipped test said first: testscripts say more after it.
func reason(said string) string {
	if first := saying.FindStringSubmatch(said); first != nil {
		return first[1]
	}
	return "no reason given"
}

// end says what was skipped: a line for each reason, the tests of a package together.
func (s *summary) end() {
	n := 0
	for _, tests := range s.skipped {
		n += len(tests)
	}
	if n == 0 {
		fmt.Fprintf(s.out, "%d tests, none skipped\n", s.tests)
		return
	}
	fmt.Fprintf(s.out, "%d tests, %d skipped:\n", s.tests, n)
	for _, why := range slices.Sorted(maps.Keys(s.skipped)) {
		fmt.Fprintf(s.out, "  %s\n      %s\n", why, strings.Join(s.skipped[why], ", "))
	}
}
