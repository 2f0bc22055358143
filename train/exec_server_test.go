package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
)

// call speaks to a desk without a process; it returns the status and the body.
func call(d *desk, method, path, body string) (int, string) {
	w := httptest.NewRecorder()
	newServer(d).Handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(b)
}

// desked returns a desk with a task on it that the process has in hand.
func desked(t *testing.T, kind Kind, report func(Progress)) (*desk, *job) {
	t.Helper()
	d, j := newDesk(), newJob(7, newTask(t, kind), time.Time{}, report)
	d.offer(j)
	if status, body := call(d, "GET", "/v1/task", ""); status != 200 {
		t.Fatalf("take: %d %s", status, body)
	}
	return d, j
}

func TestTaskMessage(t *testing.T) {
	d, task := newDesk(), newTask(t, Train)
	task.Config = map[string]string{"lr": "0.1"}
	if status, body := call(d, "GET", "/v1/task", ""); status != 204 || body != "" {
		t.Errorf("empty desk: %d %q", status, body)
	}
	d.offer(newJob(7, task, time.Time{}, ignore))
	status, body := call(d, "GET", "/v1/task?wait=1", "")
	want := fmt.Sprintf(`{"id":7,"kind":"train","run":"bafy","name":"demo","round":2,"rounds":5,"attempt":1,`+
		`"base":%q,"dir":%q,"seed":18446744073709551615,"config":{"lr":"0.1"}}`+"\n", task.Base, task.Dir)
	if status != 200 || body != want {
		t.Errorf("got %d %s, want %s", status, body, want)
	}
	j := newJob(8, task, time.Now().Add(time.Hour), ignore)
	d.offer(j)
	_, body = call(d, "GET", "/v1/task?wait=1", "")
	var m struct {
		Left float64 `json:"time_left"`
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Left > 3600 || m.Left < 3500 {
		t.Errorf("an hour: %s", body)
	}
	d.withdraw(j)
	d.close()
	if status, body := call(d, "GET", "/v1/task?wait=60", ""); status != 200 || body != `{"kind":"stop"}`+"\n" {
		t.Errorf("closed desk: %d %s", status, body)
	}
}

// A node that stops says so: the process may save what it has, for the same task comes again.
func TestStopping(t *testing.T) {
	d, j := desked(t, Train, ignore)
	d.cancel(j, true)
	for _, c := range [][3]string{{"GET", "/v1/task/7", ""}, {"POST", "/v1/progress", `{"task":7,"step":1}`}, {"POST", "/v1/update", `{"task":7,"update":"u","samples":1}`}} {
		status, body := call(d, c[0], c[1], c[2])
		var r struct {
			Reason   string `json:"error"`
			Stopping bool   `json:"stopping"`
		}
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != 409 || !r.Stopping || !strings.Contains(r.Reason, "task 7 is put off: the node stops") {
			t.Errorf("%s %s: %d %s", c[0], c[1], status, body)
		}
	}
}

// Every refusal is JSON with a reason and a hint, and leaves the task in hand.
func TestRefusals(t *testing.T) {
	d, j := desked(t, Train, ignore)
	dir := j.task.Dir
	for name, write := range map[string]func(path string) error{
		"good":    func(p string) error { return os.WriteFile(p, []byte("w"), 0o600) },
		"empty":   func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"link":    func(p string) error { return os.Symlink(j.task.Base, p) },
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"outside": func(p string) error { return os.Symlink(filepath.Dir(j.task.Base), p) },
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	update := func(path string) string { return fmt.Sprintf(`{"task":7,"update":%q,"samples":1}`, path) }
	metrics := func(m string) string { return `{"task":7,"step":1,"steps":2,"metrics":` + m + `}` }
	many := map[string]int{}
	for i := range ledger.MaxMetrics + 1 {
		many[fmt.Sprint(i)] = i
	}
	tooMany, _ := json.Marshal(many)
	for _, c := range []struct {
		method, path, body string
		status             int
		reason             string
	}{
		{"GET", "/v1/nothing", "", 404, `no such call: GET "/v1/nothing"`},
		{"PUT", "/v1/update", "", 404, `no such call: PUT "/v1/update"`},
		{"GET", "/v1/task?wait=soon", "", 400, "wait: "},
		{"GET", "/v1/task/seven", "", 400, "task: "},
		{"GET", "/v1/task/6", "", 409, "task 6 is not in hand"},
		{"POST", "/v1/progress", "", 400, "body: EOF"},
		{"POST", "/v1/progress", metrics(`{}`) + "{}", 400, "more than one value"},
		{"POST", "/v1/progress", `{"task":7,"stap":1}`, 400, `unknown field`},
		{"POST", "/v1/progress", `{"task":7,"step":-1}`, 400, "step"},
		{"POST", "/v1/progress", metrics(`{"loss":NaN}`), 400, "invalid character"},
		{"POST", "/v1/progress", metrics(`{"loss":1e999}`), 400, "1e999"},
		{"POST", "/v1/progress", metrics(`{"my loss":1}`), 422, "metrics: name"},
		{"POST", "/v1/progress", metrics(`{"":1}`), 422, "metrics: name"},
		{"POST", "/v1/progress", metrics(string(tooMany)), 422, "metrics: 17 of them"},
		{"POST", "/v1/progress", `{"step":1}`, 422, "task: missing"},
		{"POST", "/v1/progress", `{"task":8,"step":1}`, 409, "task 8 is not in hand"},
		{"POST", "/v1/update", strings.Repeat(" ", maxBody+1), 413, "more than 65536 bytes"},
		{"POST", "/v1/update", `{"task":7,"update":"good"}`, 422, "samples: 0"},
		{"POST", "/v1/update", `{"task":7,"update":"good","samples":1.5}`, 400, "samples"},
		{"POST", "/v1/update", `{"task":7,"update":"good","samples":1099511627777}`, 422, "samples: "},
		{"POST", "/v1/update", `{"task":7,"samples":1}`, 422, "update: missing"},
		{"POST", "/v1/update", update("nothing"), 422, "no file"},
		{"POST", "/v1/update", update(strings.Repeat("x", maxPath+1)), 422, "at most 4096"},
		{"POST", "/v1/update", `{"task":7,"update":"nul\u0000","samples":1}`, 422, "invalid argument"},
		{"POST", "/v1/update", update("empty"), 422, "is empty"},
		{"POST", "/v1/update", update("link"), 422, "not a regular file"},
		{"POST", "/v1/update", update("folder"), 422, "not a regular file"},
		{"POST", "/v1/update", update("../base.safetensors"), 422, "outside the task's folder"},
		{"POST", "/v1/update", update(j.task.Base), 422, "outside the task's folder"},
		{"POST", "/v1/update", update("outside/base.safetensors"), 422, "outside the task's folder"},
		{"POST", "/v1/update", update("good/x"), 422, "not a directory"},
	} {
		status, body := call(d, c.method, c.path, c.body)
		var r struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != c.status || !strings.Contains(r.Error, c.reason) || r.Hint == "" {
			t.Errorf("%s %s %.80s: %d %s, want %d %q", c.method, c.path, c.body, status, body, c.status, c.reason)
		}
	}
}

// TestAnswer ends where TestRefusals begins: the same task, answered well.
func TestAnswer(t *testing.T) {
	reports := 0
	d, j := desked(t, Train, func(Progress) { reports++ })
	if err := os.WriteFile(filepath.Join(j.task.Dir, "u"), []byte("w"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect := func(method, path, body string, status int) {
		t.Helper()
		if got, reply := call(d, method, path, body); got != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, got, reply, status)
		}
	}
	expect("GET", "/v1/task/7", "", 200)
	expect("POST", "/v1/progress", `{"task":7,"step":3,"steps":0}`, 200)
	go func() { // as a node does
		<-j.over
		j.result.Settle(nil)
	}()
	expect("POST", "/v1/update", `{"task":7,"update":"u","samples":2,"metrics":{"acc@5":0.5,"eval/loss":-1e-3}}`, 200)
	if j.err != nil || j.result.Samples != 2 || len(j.result.Metrics) != 2 || j.result.Update != filepath.Join(j.task.Dir, "u") {
		t.Errorf("got %+v, %v", j.result, j.err)
	}
	expect("POST", "/v1/update", `{"task":7,"update":"u","samples":2}`, 200) // again: the answer may have been lost
	expect("POST", "/v1/progress", `{"task":7,"step":4}`, 409)
	if reports != 1 {
		t.Errorf("%d reports", reports)
	}
	expect("GET", "/v1/task", "", 204)

	d, j = desked(t, Evaluate, ignore)
	expect("POST", "/v1/update", `{"task":7,"update":"u","samples":2}`, 422)
	expect("POST", "/v1/update", `{"task":7,"samples":0,"metrics":{"loss":1}}`, 200)
	<-j.over
}

// TestSkip: a task is put down without an update, once, and the answer may be lost; the one with the model that a run begins with is not.
func TestSkip(t *testing.T) {
	for _, kind := range []Kind{Train, Evaluate, Init} {
		d, j := desked(t, kind, ignore)
		for body, want := range map[string]string{
			`{"task":7}`: "reason: 0 bytes",
			`{"task":7,"reason":"` + strings.Repeat("x", ledger.MaxReason+1) + `"}`: "reason: 257 bytes",
			`{"reason":"no data"}`:       "task: missing",
			`{"task":7,"why":"no data"}`: "unknown field",
		} {
			if status, reply := call(d, "POST", "/v1/skip", body); status < 400 || !strings.Contains(reply, want) {
				t.Errorf("%s %s: %d %s", kind, body, status, reply)
			}
		}
		if status, reply := call(d, "POST", "/v1/skip", `{"task":6,"reason":"no data"}`); status != 409 {
			t.Errorf("another task: %d %s", status, reply)
		}
		for range 2 {
			status, reply := call(d, "POST", "/v1/skip", `{"task":7,"reason":"no data"}`)
			if kind == Init && (status != 422 || j.isOver) {
				t.Errorf("%s: %d %s", kind, status, reply)
			} else if kind != Init && (status != 200 || j.err != nil || j.result.Skip != "no data") {
				t.Errorf("%s: %d %s, %+v, %v", kind, status, reply, j.result, j.err)
			}
		}
	}
}

// TestText: a text answers the one kind of task that wants it, whole, as UTF-8, and bounded; it may be sent again.
func TestText(t *testing.T) {
	say := func(text string) string {
		b, _ := json.Marshal(textMessage{7, text})
		return string(b)
	}
	d, j := desked(t, Generate, ignore)
	for body, want := range map[string]string{
		say(strings.Repeat("x", MaxText+1)):  "text: 65537 bytes, at most 65536",
		say(strings.Repeat("x", 1<<20)):      "body: more than",
		"{\"task\":7,\"text\":\"a\xff\"}":    "body: not UTF-8",
		`{"text":"a"}`:                       "task: missing",
		`{"task":7,"text":7}`:                "cannot unmarshal number",
		`{"task":7,"text":"a","update":"u"}`: "unknown field",
	} {
		if status, reply := call(d, "POST", "/v1/text", body); status < 400 || !strings.Contains(reply, want) || j.isOver {
			t.Errorf("%.40q: %d %s", body, status, reply)
		}
	}
	if status, reply := call(d, "POST", "/v1/update", `{"task":7,"samples":1}`); status != 422 || !strings.Contains(reply, "wants a text") {
		t.Errorf("an update: %d %s", status, reply)
	}
	hostile := strings.Repeat("\x00", MaxText-4) + "\x1b[2J"
	for range 2 {
		if status, reply := call(d, "POST", "/v1/text", say(hostile)); status != 200 || j.err != nil || j.result.Text != hostile {
			t.Errorf("%d %s, %v", status, reply, j.err)
		}
	}
	d, j = desked(t, Train, ignore)
	if status, reply := call(d, "POST", "/v1/text", say("a")); status != 422 || !strings.Contains(reply, "a task of kind train wants none") || j.isOver {
		t.Errorf("to train: %d %s", status, reply)
	}
}

func TestGeneration(t *testing.T) {
	for _, good := range []Generation{{"a", 1, 0}, {strings.Repeat("x", MaxPrompt), MaxTokens, 100}} {
		if err := good.Check(); err != nil {
			t.Errorf("%.20s: %v", good.Prompt, err)
		}
	}
	for want, bad := range map[string]Generation{
		"prompt: missing": {"", 1, 0}, "prompt: 16385 bytes": {strings.Repeat("x", MaxPrompt+1), 1, 0}, "prompt: not UTF-8": {"\xff", 1, 0},
		"max_tokens: 0,": {"a", 0, 0}, "max_tokens: 16385": {"a", MaxTokens + 1, 0},
		"temperature: -1": {"a", 1, -1}, "temperature: NaN": {"a", 1, math.NaN()}, "temperature: 101": {"a", 1, 101},
	} {
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for in, want := range map[string]string{
		"a\xffb": "a\ufffdb", strings.Repeat("x", MaxText) + "y": strings.Repeat("x", MaxText), strings.Repeat("x", MaxText-1) + "é": strings.Repeat("x", MaxText-1),
	} {
		if got := CutText(in); got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	}
}

// TestSettle: an update is answered once it is known what became of it, whoever asks, and however often.
func TestSettle(t *testing.T) {
	const body = `{"task":7,"update":"u","samples":2}`
	for _, c := range []struct {
		name   string
		settle func(d *desk, j *job)
		status int
		words  string
	}{
		{"durable", func(_ *desk, j *job) { j.result.Settle(nil); j.result.Settle(errors.New("too late")) }, 200, "{}"},
		{"unusable", func(_ *desk, j *job) { j.result.Settle(hint.Add(errors.New("not finite"), "lower lr")) }, 422, "cannot be used: not finite"},
		{"cancelled", func(_ *desk, j *job) { j.result.Settle(context.Canceled) }, 409, "was cancelled"},
		{"the node ends", func(_ *desk, j *job) { j.result.Settle(ErrClosed) }, 409, `"stopping":true`},
		{"the trainer ends", func(d *desk, _ *job) { d.close() }, 409, `"stopping":true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, j := desked(t, Train, ignore)
			if err := os.WriteFile(filepath.Join(j.task.Dir, "u"), []byte("w"), 0o600); err != nil {
				t.Fatal(err)
			}
			type answer struct {
				status int
				body   string
			}
			answers := make(chan answer)
			for range 2 { // the second as if the first's answer were lost
				go func() { status, text := call(d, "POST", "/v1/update", body); answers <- answer{status, text} }()
			}
			<-j.over
			select {
			case a := <-answers:
				t.Fatalf("answered before it is settled: %+v", a)
			case <-time.After(20 * time.Millisecond): // nothing comes, so there is nothing to wait for
			}
			c.settle(d, j)
			for range 2 {
				if a := <-answers; a.status != c.status || !strings.Contains(a.body, c.words) {
					t.Errorf("%+v, want %d %s", a, c.status, c.words)
				}
			}
		})
	}
}

func TestCancelledTask(t *testing.T) {
	d, j := desked(t, Train, func(Progress) { t.Error("report of a cancelled task") })
	if !d.cancel(j, false) {
		t.Error("the task was in hand")
	}
	for _, c := range [][3]string{
		{"GET", "/v1/task/7", ""},
		{"POST", "/v1/progress", `{"task":7,"step":4}`},
		{"POST", "/v1/update", `{"task":7,"update":"u","samples":2}`},
	} {
		if status, body := call(d, c[0], c[1], c[2]); status != taskOver || !strings.Contains(body, "was cancelled") {
			t.Errorf("%v: %d %s", c, status, body)
		}
	}
	d.withdraw(j)
	if status, _ := call(d, "POST", "/v1/progress", `{"task":7,"step":4}`); status != taskOver {
		t.Errorf("withdrawn: %d", status)
	}

	d, j = newDesk(), newJob(8, newTask(t, Train), time.Time{}, ignore)
	d.offer(j)
	if d.cancel(j, false) {
		t.Error("the task was never in hand")
	}
	if status, _ := call(d, "GET", "/v1/task", ""); status != 204 {
		t.Errorf("a cancelled task was given out: %d", status)
	}
}

// A call that waits gets the task when it comes; one that went away gets none.
func TestLongPoll(t *testing.T) {
	d, j := newDesk(), newJob(7, newTask(t, Train), time.Time{}, ignore)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got, _, _ := d.take(gone, time.Minute, caller{}); got != nil {
		t.Error("a task for nobody")
	}
	got := make(chan *job)
	go func() { j, _, _ := d.take(t.Context(), time.Minute, caller{}); got <- j }()
	d.offer(j)
	if <-got != j {
		t.Error("another task")
	}
	stopped := make(chan bool)
	go func() { _, s, _ := d.take(t.Context(), time.Minute, caller{}); stopped <- s }()
	d.close()
	if !<-stopped {
		t.Error("not told to stop")
	}
	<-j.over // put down by the second call
	if j.err != ErrNoUpdate {
		t.Errorf("got %v", j.err)
	}
}

// Whatever decodes keeps the promises that the node relies on, and survives the way back.
func FuzzExecBody(f *testing.F) {
	f.Add([]byte(`{"task":1,"update":"u","samples":2,"metrics":{"loss":1e-3}}`))
	f.Add([]byte(`{"task":1,"step":2,"steps":3,"metrics":{"eval/loss":-0}}`))
	f.Add([]byte(`{"task":1,"metrics":null}`))
	f.Add([]byte(`{"task":1} {}`))
	f.Add([]byte(`{"task":1,"reason":"no data"}`))
	f.Add([]byte(`{"task":1,"text":"Dear \ud800Dr"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		promise := func(id uint64, metrics map[string]float64) {
			if id == 0 || len(metrics) > ledger.MaxMetrics {
				t.Fatalf("task %d, %d metrics", id, len(metrics))
			}
			for name, v := range metrics {
				if len(name) == 0 || len(name) > 64 || strings.ContainsAny(name, " \"\\\n<>") || math.IsInf(v, 0) || math.IsNaN(v) {
					t.Fatalf("metric %q = %v", name, v)
				}
			}
		}
		if m, err := decodeUpdate(body); err == nil {
			promise(m.Task, m.Metrics)
			if m.Samples > ledger.MaxSamples || len(m.Update) > maxPath {
				t.Fatalf("%+v", m)
			}
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := decodeUpdate(b); err != nil || again.Samples != m.Samples || len(again.Metrics) != len(m.Metrics) {
				t.Fatalf("%s: %+v, %v", b, again, err)
			}
		}
		if m, err := decodeProgress(body); err == nil {
			promise(m.Task, m.Metrics)
		}
		if m, err := decodeText(body); err == nil && (m.Task == 0 || len(m.Text) > MaxText || !utf8.ValidString(m.Text)) {
			t.Fatalf("%+v", m)
		}
		if m, err := decodeSkip(body); err == nil && (m.Task == 0 || m.Reason == "" || len(m.Reason) > ledger.MaxReason) {
			t.Fatalf("%+v", m)
		}
	})
}

// Whatever the process may call a metric can go into an update.
func TestMetricNames(t *testing.T) {
	good := 0
	for b := range 256 {
		c := string([]byte{byte(b)})
		for _, name := range []string{c, "a" + c, "a" + strings.Repeat(c, ledger.MaxName-1), "a" + strings.Repeat(c, ledger.MaxName)} {
			if !metricName.MatchString(name) {
				continue
			}
			if good++; !ledger.ValidName(name) {
				t.Errorf("%q", name)
			}
		}
	}
	if good == 0 {
		t.Error("no name is good")
	}
}
