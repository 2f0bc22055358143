package main

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"unicode"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/train"
)

// plainOutput is a log that shows what the trainer writes as lines, not as values of records.
type plainOutput struct {
	slog.Handler
	out  *term.Out
	line func(values map[string]string) string
}

// Handle writes a record, or the line that it is about.
func (p plainOutput) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != train.OutputMessage {
		return p.Handler.Handle(ctx, r)
	}
	values := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	p.out.Println(p.line(values))
	return p.out.Err()
}

// WithAttrs returns a log that writes these values with each record.
func (p plainOutput) WithAttrs(attrs []slog.Attr) slog.Handler {
	return plainOutput{p.Handler.WithAttrs(attrs), p.out, p.line}
}

// plainLine shows a line as it is written: there is nothing else to tell it from.
func plainLine(values map[string]string) string { return values[train.OutputLine] }

// colour is how programs ask a terminal for one.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// prefixedLine shows a line in a node's log: of which run and round it is, without what would command a terminal.
func prefixedLine(values map[string]string) string {
	return values[train.OutputRun] + " " + values[train.OutputRound] + " | " + shown(values[train.OutputLine], "\t")
}

// shown is another's text without what would command a terminal. Of the characters that are not printable it keeps those named.
func shown(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || strings.ContainsRune(keep, r) {
			return r
		}
		return -1
	}, colour.ReplaceAllString(text, ""))
}
