package term

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Log is a slog handler that writes lines for people: time of day, message, values.
type Log struct {
	out   *Out
	level slog.Leveler
	mu    *sync.Mutex // shared by all handlers that write to out
	attrs string
	group string
}

var _ slog.Handler = (*Log)(nil)

// NewLog returns a handler of records from level on.
func NewLog(out *Out, level slog.Leveler) *Log {
	return &Log{out: out, level: level, mu: &sync.Mutex{}}
}

// Enabled reports whether records of that level are written.
func (l *Log) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// Handle writes a record.
func (l *Log) Handle(_ context.Context, r slog.Record) error {
	message := r.Message
	switch {
	case r.Level >= slog.LevelError:
		message = l.out.Bad("error: " + message)
	case r.Level >= slog.LevelWarn:
		message = l.out.Bad("warning: ") + message
	}
	var b strings.Builder
	b.WriteString(l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		write(&b, l.group, a)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.out, "%s  %s%s\n", l.out.Dim(r.Time.Format("01-02 15:04:05")), message, b.String())
	return err
}

// WithAttrs returns a handler that writes these values with each record.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		write(&b, l.group, a)
	}
	more := *l
	more.attrs += b.String()
	return &more
}

// WithGroup returns a handler that qualifies keys by name.
func (l *Log) WithGroup(name string) slog.Handler {
	if name == "" {
		return l
	}
	more := *l
	more.group += name + "."
	return &more
}

// write adds " key=value"; text with spaces is quoted, and what another site wrote can neither break a line nor command
// the terminal.
func write(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			write(b, group, m)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := fmt.Sprint(v.Any())
	if text == "" || strings.ContainsFunc(text, func(r rune) bool {
		return strings.ContainsRune(" \"=", r) || r == utf8.RuneError || !unicode.IsPrint(r)
	}) {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, "  %s%s=%s", group, a.Key, text)
}
