package netns

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// open makes a namespace, or skips the test where that is not allowed.
func open(t *testing.T) *Namespace {
	t.Helper()
	n, err := New()
	if errors.Is(err, ErrUnavailable) && os.Getenv("WEFT_TEST_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// TestTun: what one namespace sends to an address of the other arrives there, if somebody carries it.
func TestTun(t *testing.T) {
	a, b := open(t), open(t)
	tunA, tunB := tun(t, a, "10.9.0.1/24"), tun(t, b, "10.9.0.2/24")
	carry := func(to, from *os.File) { _, _ = io.CopyBuffer(onlyWriter{to}, onlyReader{from}, make([]byte, 2000)) }
	go carry(tunB, tunA)
	go carry(tunA, tunB)

	var l net.Listener
	if err := b.Do(func() (err error) { l, err = net.Listen("tcp4", "10.9.0.2:80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.Close()
	}()
	text := strings.Repeat("a mesh of one's own ", 5000)
	got, err := echo(a, "10.9.0.2:80", text)
	if err != nil || got != text {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
}

func tun(t *testing.T, n *Namespace, prefix string) *os.File {
	t.Helper()
	dev, err := n.Tun(netip.MustParsePrefix(prefix), 1500)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	return dev
}

// echo connects from inside n; Go may dial on another thread, so the socket is made on the namespace's own.
func echo(n *Namespace, addr, text string) (string, error) {
	var c net.Conn
	if err := n.Do(func() (err error) { c, err = net.DialTimeout("tcp4", addr, 5*time.Second); return err }); err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	go func() {
		_, _ = io.WriteString(c, text)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	return string(got), err
}

// TestProcess: a process that is started inside sees the namespace's interfaces and no others.
func TestProcess(t *testing.T) {
	n := open(t)
	tun(t, n, "10.9.0.7/24")
	var out []byte
	if err := n.Do(func() (err error) { out, err = exec.Command("cat", "/proc/net/dev").Output(); return err }); err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	for _, name := range names {
		if name == "eth0" {
			t.Errorf("interfaces %v: one is of the machine", names)
		}
	}
	if !strings.Contains(strings.Join(names, " "), tunName) {
		t.Errorf("interfaces %v: none is %s", names, tunName)
	}
}

type onlyReader struct{ io.Reader }

type onlyWriter struct{ io.Writer }
