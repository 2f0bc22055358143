package term

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/charmbracelet/lipgloss"
	xterm "golang.org/x/term"
)

const (
	Width = 80   // columns that texts are written for
	wide  = 1000 // columns of what is no terminal: who reads it there wants all of it
)

// Out is where a command writes.
type Out struct {
	io.Writer
	// TTY reports whether a person's terminal is at the other end.
	TTY bool
	// Wide is how many columns there are where there is no terminal to ask; 0: enough for everything.
	Wide   int
	styles *lipgloss.Renderer
	failed atomic.Pointer[error] // the first failure to write
}

// New returns an Out that writes to w. It is a terminal if w is one and TERM is not "dumb".
func New(w io.Writer) *Out {
	o := &Out{Writer: w, styles: lipgloss.NewRenderer(w)}
	if f, ok := w.(*os.File); ok {
		o.TTY = xterm.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	}
	return o
}

// Write writes as it stands. Err keeps the first error.
func (o *Out) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		o.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Err returns the first error of writing, or nil: a full disk must not pass for success.
func (o *Out) Err() error {
	if err := o.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Printf writes formatted text, as Plain has it; Err tells if that failed.
func (o *Out) Printf(format string, args ...any) {
	_, _ = io.WriteString(o, Plain(fmt.Sprintf(format, args...)))
}

// Println writes a line, as Printf does.
func (o *Out) Println(args ...any) { _, _ = io.WriteString(o, Plain(fmt.Sprintln(args...))) }

// Columns returns the width that tables may take: the terminal's.
func (o *Out) Columns() int {
	if f, ok := o.Writer.(*os.File); ok && o.TTY {
		if w, _, err := xterm.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return cmp.Or(o.Wide, wide)
}

func (o *Out) paint(color, s string) string {
	return o.styles.NewStyle().Foreground(lipgloss.Color(color)).Render(s)
}

// Bold sets a heading off.
func (o *Out) Bold(s string) string { return o.styles.NewStyle().Bold(true).Render(s) }

// Dim sets back what a reader may skip.
func (o *Out) Dim(s string) string { return o.styles.NewStyle().Faint(true).Render(s) }

// Good says that a thing stands well, as Busy and Bad say how else. The sixteen basic colours follow the
// terminal's own scheme, dark or light.
func (o *Out) Good(s string) string { return o.paint("2", s) }

// Busy is for what goes on at the moment.
func (o *Out) Busy(s string) string { return o.paint("6", s) }

// Bad is for what is wrong.
func (o *Out) Bad(s string) string { return o.paint("1", s) }
