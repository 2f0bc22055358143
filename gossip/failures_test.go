package gossip

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestFailures(t *testing.T) {
	var f failures
	for i := 1; i <= 3; i++ { // the count goes on whatever the reason
		if n, _ := f.note("p", fmt.Sprint("reason ", i)); n != i {
			t.Errorf("%d times, want %d", n, i)
		}
	}
	if f.of("p") != "reason 3" || f.of("q") != "" {
		t.Errorf("%q and %q", f.of("p"), f.of("q"))
	}
	if why := f.ended("p"); !strings.HasPrefix(why, "it closes the connection") {
		t.Errorf("they closed: %q", why)
	}
	f.closing("p", "it is silent")
	if why := f.ended("p"); why != "disconnected: it is silent" {
		t.Errorf("this site closed: %q", why)
	}
	if n, _ := f.note("p", f.ended("p")); n != 4 {
		t.Errorf("%d times, want 4", n)
	}
	f.closing("p", "it is silent")
	f.opened("p")
	if why := f.ended("p"); !strings.HasPrefix(why, "it closes the connection") {
		t.Errorf("they closed the next one: %q", why)
	}
	f.forget("p")
	if n, _ := f.note("p", "again"); n != 1 {
		t.Errorf("%d times, want 1", n)
	}
}

func TestRootCause(t *testing.T) {
	op := func(op, call string, err error) error {
		return fmt.Errorf("through: %w", &net.OpError{Op: op, Net: "tcp", Source: &net.TCPAddr{Port: 41140}, Err: os.NewSyscallError(call, err)})
	}
	for want, err := range map[string]error{
		"connection refused":       op("dial", "connect", syscall.ECONNREFUSED),
		"connection reset by peer": op("read", "read", syscall.ECONNRESET),
		"plain":                    errors.New("plain"),
	} {
		if got := rootCause(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2J\nb\x9bc\u009bd é"); got != "a?[2J?b?c?d é" {
		t.Errorf("got %q", got)
	}
	if got := printable(strings.Repeat("é", maxReason)); len(got) > maxReason+len("…") || strings.Contains(got, "\ufffd") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
