package train

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/hint"
)

// While a process has a task, another that asks is refused, and the task stays where it is.
func TestExecSecondProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says who is at the other end")
	}
	var log bytes.Buffer
	e := play(t, "two")
	e.log = slog.New(slog.NewTextHandler(&log, nil))
	res, err := ran(e, t.Context(), newTask(t, Train), ignore)
	if err != nil || res.Metrics["pid"] == 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	if err := e.Close(); err != nil { // the log is whole then
		t.Fatal(err)
	}
	if want := fmt.Sprintf("asks for a task, but process %.0f of the same script has it", res.Metrics["pid"]); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "was told 403") {
		t.Errorf("want %q, got\n%s", want, log.String())
	}
}

// One that has died with its task is no obstacle to the next.
func TestExecRestartedRank(t *testing.T) {
	e := play(t, "restarted")
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); !errors.Is(err, ErrNoUpdate) {
		t.Fatalf("the task of a process that died: %v", err)
	}
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
		t.Error(err)
	}
}

// A worker that begins the script anew ends the task with the words that help, and the process, which may wait for it for ever.
func TestExecWorker(t *testing.T) {
	e := play(t, "worker")
	_, err := ran(e, t.Context(), newTask(t, Train), ignore)
	if _, advice := hint.Split(err); !errors.Is(err, ErrWorker) || !strings.Contains(advice, "__main__") {
		t.Errorf("got %v", err)
	}
	if e.Process("bafy") != 0 {
		t.Error("the process is kept")
	}
}

// Where the kernel does not say who asks, the processes' own names do.
func TestCallersByName(t *testing.T) {
	ask := func(d *desk, token string) int {
		r := httptest.NewRequest("GET", "/v1/task", nil)
		r.Header.Set(tokenHeader, token)
		w := httptest.NewRecorder()
		newServer(d).Handler.ServeHTTP(w, r)
		return w.Code
	}
	d, j := newDesk(), newJob(7, newTask(t, Train), time.Time{}, ignore)
	d.offer(j)
	if got := ask(d, "one"); got != 200 {
		t.Fatal(got)
	}
	if got := ask(d, "two"); got != notYours || j.isOver {
		t.Errorf("another process: %d", got)
	}
	if got := ask(d, "one"); got != 204 || j.err != ErrNoUpdate {
		t.Errorf("the same process: %d, %v", got, j.err)
	}
	if got := ask(d, "two"); got != 204 {
		t.Errorf("nobody has a task: %d", got)
	}
}
