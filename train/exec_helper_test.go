package train

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the user's process when this variable names a part.
const partEnv = "WEFT_TEST_PART"

// lifeEnv names a socket that a player holds open as long as it lives.
const lifeEnv = "WEFT_TEST_LIFE"

func TestMain(m *testing.M) {
	if part := os.Getenv(partEnv); part != "" {
		if path := os.Getenv(lifeEnv); path != "" {
			conn, err := net.Dial("unix", path)
			check(err)
			fmt.Fprintf(conn, "%d\n", os.Getpid())
			defer conn.Close()
		}
		parts[part]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// check ends the player as a script's uncaught exception would.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// player is the least a script needs to speak with its node.
type player struct{ http.Client }

func newPlayer() *player {
	return &player{http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", os.Getenv(socketEnv))
		},
	}}}
}

func (p *player) call(method, path, body string) (int, []byte) {
	req, err := http.NewRequest(method, "http://weft"+path, strings.NewReader(body))
	check(err)
	resp, err := p.Do(req)
	check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(err)
	return resp.StatusCode, b
}

// receive returns the next task, or ok false at the end.
func (p *player) receive() (m taskMessage, ok bool) {
	for {
		status, body := p.call("GET", "/v1/task?wait=60", "")
		if status == http.StatusNoContent {
			continue
		}
		if status != http.StatusOK {
			check(fmt.Errorf("receive: %d %s", status, body))
		}
		check(json.Unmarshal(body, &m))
		return m, m.Kind != stop
	}
}

func (p *player) progress(id uint64) (int, []byte) {
	return p.call("POST", "/v1/progress", fmt.Sprintf(`{"task":%d,"step":1,"steps":2,"metrics":{"loss":0.5}}`, id))
}

// send answers m with a copy of its base.
func (p *player) send(m taskMessage, metrics string) (int, []byte) {
	update := ""
	if m.Kind != Evaluate {
		base := []byte("made")
		if m.Kind == Train {
			var err error
			base, err = os.ReadFile(m.Base)
			check(err)
		}
		update = filepath.Join(m.Dir, "update.safetensors")
		check(os.WriteFile(update, base, 0o600))
	}
	return p.call("POST", "/v1/update", fmt.Sprintf(`{"task":%d,"update":%q,"samples":3,"metrics":%s}`, m.ID, update, metrics))
}

func mustOK(status int, body []byte) {
	if status != http.StatusOK {
		check(fmt.Errorf("%d %s", status, body))
	}
}

func pidMetric() string { return fmt.Sprintf(`{"pid":%d}`, os.Getpid()) }

func hang() { select {} }

// parts are the ways a script may behave.
var parts = map[string]func(){
	"loop": func() {
		p := newPlayer()
		for m, ok := p.receive(); ok; m, ok = p.receive() {
			mustOK(p.progress(m.ID))
			mustOK(p.call("GET", fmt.Sprintf("/v1/task/%d", m.ID), ""))
			mustOK(p.send(m, pidMetric()))
		}
	},
	"saves": func() { // for a moment, once it is told to end
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		m, _ := newPlayer().receive()
		mustOK(newPlayer().progress(m.ID))
		<-told
		time.Sleep(100 * time.Millisecond)
		check(os.WriteFile("saved", nil, 0o600))
	},
	"one task": func() {
		p := newPlayer()
		m, _ := p.receive()
		mustOK(p.send(m, pidMetric()))
	},
	"one task and no end": func() {
		p := newPlayer()
		m, _ := p.receive()
		mustOK(p.send(m, pidMetric()))
		hang()
	},
	"crash": func() {
		m, _ := newPlayer().receive()
		for i := range 30 {
			fmt.Fprintf(os.Stderr, "line %d of task %d\n", i+1, m.ID)
		}
		os.Exit(3)
	},
	"crash at once": func() {
		fmt.Fprintln(os.Stderr, "ModuleNotFoundError: no module named 'weft'")
		os.Exit(1)
	},
	"no weft": func() { fmt.Println("trained all alone") },
	"silent":  func() { m, _ := newPlayer().receive(); _ = m },
	"skip": func() {
		p := newPlayer()
		p.receive()
		p.receive()
	},
	"wrong path": func() {
		p := newPlayer()
		m, _ := p.receive()
		mustOK(p.call("POST", "/v1/update", fmt.Sprintf(`{"task":%d,"update":%q,"samples":3}`, m.ID, m.Base)))
	},
	"oversized": func() {
		p := newPlayer()
		m, _ := p.receive()
		mustOK(p.call("POST", "/v1/update", fmt.Sprintf(`{"task":%d,"update":%q}`, m.ID, strings.Repeat("x", maxBody))))
	},
	// yields drops a cancelled task when it hears of it, and sends it too late all the same.
	"yields": func() {
		p := newPlayer()
		m, _ := p.receive()
		for status, _ := p.progress(m.ID); status == http.StatusOK; status, _ = p.progress(m.ID) {
		}
		late, body := p.send(m, "{}")
		if !bytes.Contains(body, []byte("cancelled")) {
			check(fmt.Errorf("late update: %d %s", late, body))
		}
		m, _ = p.receive()
		mustOK(p.send(m, fmt.Sprintf(`{"pid":%d,"late":%d}`, os.Getpid(), late)))
	},
	// stubborn ignores SIGTERM and its node, and has a child that does the same.
	"stubborn": func() {
		signal.Ignore(syscall.SIGTERM)
		p := newPlayer()
		m, _ := p.receive()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), partEnv+"=stubborn child")
		up, err := child.StdoutPipe()
		check(err)
		check(child.Start())
		_, err = up.Read(make([]byte, 1))
		check(err)
		mustOK(p.progress(m.ID))
		hang()
	},
	"stubborn child": func() {
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		hang()
	},
	"hang": func() {
		p := newPlayer()
		m, _ := p.receive()
		mustOK(p.progress(m.ID))
		hang()
	},
	// two has a child ask for a task while it has one, and tells what that was told.
	"two": func() {
		p := newPlayer()
		m, _ := p.receive()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), partEnv+"=asks")
		said, err := child.CombinedOutput()
		check(err)
		fmt.Printf("%s", said)
		mustOK(p.send(m, pidMetric()))
	},
	"asks": func() {
		status, body := newPlayer().call("GET", "/v1/task", "")
		fmt.Printf("child %d was told %d %s", os.Getpid(), status, body)
	},
	// restarted has a child that takes the task and dies of it, as a rank does that its launcher starts again.
	"restarted": func() {
		for _, part := range []string{"silent", "one task"} {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), partEnv+"="+part)
			check(child.Run())
		}
	},
	// worker has a task, and something of it that begins the script anew.
	"worker": func() {
		p := newPlayer()
		p.receive()
		status, _ := p.call("GET", "/v1/task?worker=1", "")
		if status != notYours {
			check(fmt.Errorf("a worker was told %d", status))
		}
		hang()
	},
	// node runs a trainer of its own, so that a test can kill the node.
	"node": func() {
		e, err := NewExec(ExecConfig{Command: []string{os.Args[0]}, Env: []string{partEnv + "=hang"}})
		check(err)
		var task Task
		check(json.Unmarshal([]byte(os.Getenv("WEFT_TEST_TASK")), &task))
		_, err = ran(e, context.Background(), task, func(Progress) {})
		check(err)
	},
}

// life follows the players that hold its socket.
type life struct {
	path  string
	conns chan net.Conn
}

func newLife(t *testing.T) *life {
	t.Helper()
	dir, err := os.MkdirTemp("", "life-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f := &life{l.Addr().String(), make(chan net.Conn, 16)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.conns <- conn
		}
	}()
	return f
}

// next returns a living player's connection, after it has said its number.
func (f *life) next(t *testing.T) *bufio.Reader {
	t.Helper()
	select {
	case conn := <-f.conns:
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return r
	case <-time.After(time.Minute):
		t.Fatal("no player came")
		return nil
	}
}

// ended waits until that player's process is gone: only then the kernel closes its end.
func ended(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatalf("the process lives on: %v", err)
	}
}

// ran does a task whose update, if there is one, is durable at once.
func ran(e *Exec, ctx context.Context, task Task, report func(Progress)) (Result, error) {
	res, err := e.Run(ctx, task, report)
	res.Settle(nil)
	return res, err
}
