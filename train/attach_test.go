package train

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newAttach returns a trainer that waits for processes.
func newAttach(t *testing.T) *Attach {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft") // t.TempDir is too long for a socket under some tests' names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a, err := NewAttach(filepath.Join(dir, AttachSocket), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// comer is a process that has come, as the trainer sees it: a connection that stays open.
type comer struct {
	t      *testing.T
	conn   net.Conn
	client http.Client
	refuse string // why it was turned away
}

func come(t *testing.T, a *Attach, pid int) *comer {
	t.Helper()
	conn, err := net.Dial("unix", a.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /v1/attach?pid=%d HTTP/1.1\r\nHost: weft\r\n\r\n", pid)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Socket, Error string }
	line, err := bufio.NewReader(res.Body).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", m.Socket) }
	return &comer{t, conn, http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, m.Error}
}

// call makes a call of docs/trainers.md.
func (c *comer) call(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	r, err := http.NewRequest(method, "http://weft"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	_ = json.NewDecoder(res.Body).Decode(&m) // 204 has none
	return res.StatusCode, m
}

// task takes the next task and returns its ID.
func (c *comer) task() int {
	c.t.Helper()
	status, m := c.call("GET", "/v1/task?wait=20", "")
	if status != http.StatusOK || m["kind"] != string(Evaluate) {
		c.t.Fatalf("status %d, %v", status, m)
	}
	return int(m["id"].(float64))
}

func (c *comer) answer(id int) int {
	status, _ := c.call("POST", "/v1/update", fmt.Sprintf(`{"task":%d,"samples":7}`, id))
	return status
}

// waits waits until the trainer says that it waits for something, or for nothing.
func (a *Attach) waits(t *testing.T, for_ string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got := a.Waiting()
		if for_ == "" && got == "" || for_ != "" && strings.Contains(got, for_) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it waits for %q, want %q", got, for_)
		}
	}
}

// TestAttach: a task waits for a process to come; one that dies with it leaves it to the next; there is one at a time.
func TestAttach(t *testing.T) {
	a := newAttach(t)
	if a.Waiting() != "" || a.Process("") != 0 {
		t.Error("it waits without a task")
	}
	type ran struct {
		res Result
		err error
	}
	done := make(chan ran, 1)
	start := func(ctx context.Context) {
		task := newTask(t, Evaluate)
		go func() {
			res, err := a.Run(ctx, task, nil)
			done <- ran{res, err}
		}()
	}
	start(t.Context())
	a.waits(t, "no process is attached to train: start the script, which says weft.init(node=")
	first := come(t, a, 11)
	first.task()
	a.waits(t, "")
	if a.Process("") != 11 {
		t.Errorf("process %d", a.Process(""))
	}
	if second := come(t, a, 12); !strings.Contains(second.refuse, "another process (11) is attached") {
		t.Errorf("a second is let in: %q", second.refuse)
	}
	first.conn.Close() // it dies
	a.waits(t, "no process is attached")
	third := come(t, a, 13)
	id := third.task()
	if got := third.answer(id); got != http.StatusOK {
		t.Errorf("answered with %d", got)
	}
	if got := <-done; got.err != nil || got.res.Samples != 7 {
		t.Errorf("%+v", got)
	}

	ctx, cancel := context.WithCancel(t.Context()) // the same process is there before the next task
	start(ctx)
	id = third.task()
	cancel()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if status, _ := third.call("GET", fmt.Sprintf("/v1/task/%d", id), ""); status == http.StatusConflict {
			break
		} else if time.Now().After(end) {
			t.Fatal("it does not hear that its task was cancelled")
		}
	}
	third.call("GET", "/v1/task?wait=0", "") // it puts the task down
	if got := <-done; !errors.Is(got.err, context.Canceled) {
		t.Errorf("cancelled: %+v", got)
	}

	start(t.Context())
	third.task()
	closed := make(chan error, 1)
	go func() { closed <- a.Close() }()
	if got := <-done; !errors.Is(got.err, ErrClosed) {
		t.Errorf("closed: %+v", got)
	}
	if status, m := third.call("GET", "/v1/task?wait=20", ""); status != http.StatusOK || m["kind"] != "stop" {
		t.Errorf("it hears %d, %v", status, m)
	}
	third.conn.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(a.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// TestAttachSocket: what a killed node left is replaced, one that listens is not.
func TestAttachSocket(t *testing.T) {
	a := newAttach(t)
	if _, err := NewAttach(a.path, "", nil); err == nil || !strings.Contains(err.Error(), "somebody listens") {
		t.Errorf("a second at the same socket: %v", err)
	}
	path := filepath.Join(filepath.Dir(a.path), "left")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	b, err := NewAttach(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := NewAttach(filepath.Join(filepath.Dir(a.path), strings.Repeat("x", maxSocketPath)), "", nil); err == nil || !strings.Contains(err.Error(), "at most 103") {
		t.Errorf("a long path: %v", err)
	}
}
