package train

import (
	"regexp"
	"slices"
	"strings"
)

// Where several processes write to one standard error, who fails first has the cause: the others lose a connection to it then,
// and their launcher says that some have failed.

// rankMark is what PyTorch and its launcher put before the lines of a rank.
var rankMark = regexp.MustCompile(`^\[(?:rank|default)(\d+)\]: ?`)

// launcherEnd is the exception of a launcher of which a rank has failed.
var launcherEnd = regexp.MustCompile(`^(torch\.distributed\.elastic\.multiprocessing\.errors\.ChildFailedError|subprocess\.CalledProcessError)\b`)

// chained stands between two tracebacks of which the second is what came of the first.
var chained = []string{
	"During handling of the above exception, another exception occurred:",
	"The above exception was the direct cause of the following exception:",
}

// decisive returns the lines that tell why several processes have ended: those of the rank that failed first. Of a single process
// they are all.
func decisive(lines []string) []string {
	if of := firstMarked(lines); of != nil {
		return of
	}
	for i, line := range slices.Backward(lines) {
		if launcherEnd.MatchString(line) {
			return firstBefore(lines, i)
		}
	}
	return lines
}

// firstMarked returns the lines of the rank whose exception stands before those of all others, without their marks; nil if no
// rank's lines are marked, or none has an exception.
func firstMarked(lines []string) (first []string) {
	of, heads := map[string][]string{}, map[string]int{}
	for i, line := range lines {
		rank := ""
		for m := rankMark.FindStringSubmatch(line); m != nil; m = rankMark.FindStringSubmatch(line) {
			rank, line = m[1], line[len(m[0]):] // the launcher's mark, then PyTorch's
		}
		if rank == "" {
			continue
		}
		of[rank] = append(of[rank], line)
		if strings.HasSuffix(line, tracebackHead) {
			heads[rank] = i
		}
	}
	at := len(lines)
	for rank, head := range heads {
		if head < at && exception(of[rank]) != "" {
			first, at = of[rank], head
		}
	}
	return first
}

// firstBefore returns the lines up to the end of the first of the tracebacks which stand, close to each other, before the one of
// a launcher that ends at a line.
func firstBefore(lines []string, end int) []string {
	var heads []int
	for i, line := range lines[:end] {
		if strings.HasSuffix(line, tracebackHead) {
			heads = append(heads, i)
		}
	}
	if len(heads) < 2 {
		return lines // no rank has written one
	}
	last := len(heads) - 1 // the launcher's own
	first := last - 1
	for first > 0 && unindented(lines[heads[first-1]:heads[first]]) <= maxMessage {
		first--
	}
	for first+1 < last && slices.ContainsFunc(lines[heads[first]:heads[first+1]], func(l string) bool { return slices.Contains(chained, l) }) {
		first++
	}
	return lines[:heads[first+1]]
}
