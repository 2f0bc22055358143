package term

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	xterm "golang.org/x/term"
)

// ErrInterrupted is returned when the person pressed Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// frameTime is the time between two frames.
const frameTime = 200 * time.Millisecond

// Live draws frame() in place, several times a second, until ctx ends, work returns or Ctrl-C
// is pressed, and leaves the last frame standing. It runs work meanwhile, with a context that
// ends with Live, and returns work's error. Where out is no terminal it only runs work.
// frame is called from one goroutine, not work's.
func (o *Out) Live(ctx context.Context, frame func() string, work func(context.Context) error) error {
	if !o.TTY {
		return work(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		failed = work(ctx)
	}()
	var in io.Reader
	if xterm.IsTerminal(int(os.Stdin.Fd())) {
		in = os.Stdin
	}
	m := &liveModel{frame: frame, columns: o.Columns, done: done}
	// Signals stay with the caller's context; a terminal in raw mode sends Ctrl-C as a key.
	p := tea.NewProgram(m, tea.WithOutput(o.Writer), tea.WithInput(in), tea.WithoutSignalHandler(), tea.WithContext(ctx))
	_, err := p.Run()
	stopped := ctx.Err() != nil
	cancel()
	<-done
	switch {
	case m.interrupted:
		return ErrInterrupted
	case m.ended || stopped:
		return failed
	}
	return errors.Join(failed, err) // the terminal failed
}

type liveModel struct {
	frame       func() string
	columns     func() int
	height      int // of the terminal, once it is known
	done        <-chan struct{}
	ended       bool // the work, not by Ctrl-C
	interrupted bool
}

var _ tea.Model = (*liveModel)(nil)

type tick struct{}

type ended struct{}

func nextFrame() tea.Cmd { return tea.Tick(frameTime, func(time.Time) tea.Msg { return tick{} }) }

func (m *liveModel) Init() tea.Cmd {
	return tea.Batch(nextFrame(), func() tea.Msg { <-m.done; return ended{} })
}

func (m *liveModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		return m, nextFrame()
	case ended:
		m.ended = true
		return m, tea.Quit
	case tea.WindowSizeMsg:
		m.height = msg.Height
	case tea.KeyMsg:
		if s := msg.String(); s == "ctrl+c" || s == "q" {
			m.interrupted = true
			return m, tea.Quit
		}
	}
	return m, nil
}

// View wraps what is too wide for the terminal, which bubbletea would cut off, and leaves out the end of what is too high,
// where bubbletea would leave out the beginning.
func (m *liveModel) View() string {
	lines := strings.Split(ansi.Hardwrap(Plain(m.frame()), m.columns(), false), "\n")
	if m.height > 1 && len(lines) > m.height {
		lines = append(lines[:m.height-1], "…")
	}
	return strings.Join(lines, "\n")
}
