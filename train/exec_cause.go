package train

import (
	"regexp"
	"slices"
	"strings"
)

// maxCause is how many bytes of a cause are kept: a mismatch of two models lists every tensor.
const maxCause = 300

// What Python writes of an uncaught exception: the head, the frames, set in, then the exception, whose message may have
// lines of its own. Of those that it cannot raise, as at the interpreter's end, it says so in the line before the head.
const (
	tracebackHead = "Traceback (most recent call last):"
	ignoredHead   = "Exception ignored in"
)

// exceptionLine begins with the exception's type; without a message there is nothing else.
var exceptionLine = regexp.MustCompile(`^[\w.<>]+(:|$)`)

// cause returns what lines of standard error say of a process' end: the exception of Python's last traceback, else the last
// line that is not set in.
func cause(lines []string) string {
	if text := exception(lines); text != "" {
		return text
	}
	for _, line := range slices.Backward(lines) {
		if line != "" && strings.TrimLeft(line, " \t") == line && !strings.HasPrefix(line, "hint:") {
			return line
		}
	}
	return ""
}

// exception returns the exception of the last traceback in one line, nothing if there is none. The last of a chain counts, and
// of a worker's exception that is raised again its own.
func exception(lines []string) string {
	for i, line := range slices.Backward(lines) {
		if !strings.HasSuffix(line, tracebackHead) || i > 0 && strings.HasPrefix(lines[i-1], ignoredHead) {
			continue
		}
		message := lines[i+1:]
		if end := slices.IndexFunc(message, func(l string) bool { return strings.HasPrefix(l, ignoredHead) }); end >= 0 {
			message = message[:end]
		}
		if at := slices.IndexFunc(message, exceptionLine.MatchString); at >= 0 {
			return joined(message[at:])
		}
		return ""
	}
	return ""
}

// joined makes one line of several, of maxCause bytes at most.
func joined(lines []string) string {
	var parts []string
	for _, line := range lines {
		parts = append(parts, strings.TrimSpace(line))
	}
	text := strings.TrimSpace(strings.Join(parts, " "))
	if len(text) > maxCause {
		text = strings.ToValidUTF8(text[:maxCause], "") + "…"
	}
	return text
}
