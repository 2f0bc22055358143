package train

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxCause is how many bytes of a cause are kept: a mismatch of two models lists every tensor.
	maxCause = 300
	// maxMessage is how many lines that are not set in an exception's message has. If more follow, the process has gone on
	// after that exception.
	maxMessage = 8
)

// What Python writes of an uncaught exception: the head, the frames, set in, then the exception, whose message may have
// lines of its own. Of those that it cannot raise, as at the interpreter's end, it says so in the line before the head.
const (
	tracebackHead = "Traceback (most recent call last):"
	groupHead     = "Exception Group " + tracebackHead
	ignoredHead   = "Exception ignored "
)

// margin is what stands before the lines of an exception group.
const margin = " |+-"

// exceptionLine begins with the exception's type; without a message there is nothing else.
var exceptionLine = regexp.MustCompile(`^[\w.<>]+(:|$)`)

// cause returns what lines of standard error say of a process' end: the exception of Python's last traceback, of several ranks
// that of the first which failed, else the last line that is not set in. Errors of the Python package end with what to do about them.
func cause(lines []string) (text, advice string) {
	text, advice, _ = strings.Cut(ending(decisive(lines)), "; hint: ")
	return text, advice
}

func ending(lines []string) string {
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

// exception returns the exception of the last traceback in one line, nothing if there is none, or if the process has written
// much since. The last of a chain counts, and of a worker's exception that is raised again its own.
func exception(lines []string) string {
	for i, line := range slices.Backward(lines) {
		if !strings.HasSuffix(line, tracebackHead) || i > 0 && strings.HasPrefix(lines[i-1], ignoredHead) {
			continue
		}
		message := lines[i+1:]
		if strings.HasSuffix(line, groupHead) {
			message = slices.Clone(message)
			for j := range message {
				message[j] = strings.TrimRight(strings.TrimLeft(message[j], margin), margin)
			}
		}
		if end := slices.IndexFunc(message, func(l string) bool { return strings.HasPrefix(l, ignoredHead) }); end >= 0 {
			message = message[:end]
		}
		at := slices.IndexFunc(message, exceptionLine.MatchString)
		if at < 0 || unindented(message[at:]) > maxMessage {
			return ""
		}
		return joined(message[at:])
	}
	return ""
}

// frameLine is a frame of a traceback: the file, the line and the function.
var frameLine = regexp.MustCompile(`^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$`)

// libraries are the folders that a user's own files are not in.
var libraries = []string{"/site-packages/", "/dist-packages/", "/lib/python", "<frozen "}

// place says where in the user's own files the traceback of the cause ends, such as train.py:12 in main; nothing if there is none.
func place(lines []string) string {
	lines = decisive(lines)
	head := -1
	for i, line := range lines {
		if strings.HasSuffix(line, tracebackHead) && (i == 0 || !strings.HasPrefix(lines[i-1], ignoredHead)) {
			head = i
		}
	}
	text := ""
	for _, line := range lines[head+1:] {
		m := frameLine.FindStringSubmatch(line)
		if m == nil || slices.ContainsFunc(libraries, func(l string) bool { return strings.Contains(m[1], l) }) {
			continue
		}
		text = filepath.Base(m[1]) + ":" + m[2]
		if m[3] != "" && m[3] != "<module>" {
			text += " in " + strings.TrimRight(m[3], margin)
		}
	}
	return text
}

// unindented counts the lines that are not set in.
func unindented(lines []string) (n int) {
	for _, l := range lines {
		if l != "" && strings.TrimLeft(l, " \t") == l {
			n++
		}
	}
	return n
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
