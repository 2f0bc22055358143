package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"time"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
)

// Limits of what a process may say; samples and metrics have those of an update in the ledger.
const (
	maxBody = 64 << 10 // bytes of a request
	maxPath = 4096
)

// metricName is one to 64 letters, digits and signs that need no quoting anywhere a metric
// is shown; frameworks write names such as "eval/loss" and "acc@5". The ledger's own
// rule, ledger.ValidName, is wider, so every such name can go into an update.
var metricName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./@:+-]{0,63}$`)

// stop is the kind that ends the conversation; it is no task, so Kind has no such value.
const stop = "stop"

// taskMessage gives out a task.
type taskMessage struct {
	ID uint64 `json:"id"`
	Task
	TimeLeft *float64 `json:"time_left,omitempty"` // seconds until the training should end; absent without limit
}

func newTaskMessage(j *job) taskMessage {
	m := taskMessage{ID: j.id, Task: j.task}
	if !j.due.IsZero() {
		m.TimeLeft = new(max(0, time.Until(j.due).Seconds()))
	}
	return m
}

// stopMessage tells the process that there is nothing more to do.
type stopMessage struct {
	Kind string `json:"kind"`
}

// updateMessage is what a process made of a task.
type updateMessage struct {
	Task    uint64             `json:"task"`
	Update  string             `json:"update,omitempty"` // absolute, or relative to the task's folder
	Samples uint64             `json:"samples"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

// skipMessage says that the site has nothing to give for a task.
type skipMessage struct {
	Task   uint64 `json:"task"`
	Reason string `json:"reason"`
}

// progressMessage says where a task stands.
type progressMessage struct {
	Task uint64 `json:"task"`
	Progress
}

// refusal is a request that is refused.
type refusal struct {
	status   int
	error         // with a hint
	stopping bool // the node ends, and gives the same task out again when it is back
}

func refuse(status int, advice, format string, args ...any) *refusal {
	return &refusal{status: status, error: hint.Add(fmt.Errorf(format, args...), advice)}
}

// MarshalJSON writes the reply.
func (r *refusal) MarshalJSON() ([]byte, error) {
	reason, advice := hint.Split(r.error)
	return json.Marshal(struct {
		Reason   string `json:"error"`
		Hint     string `json:"hint"`
		Stopping bool   `json:"stopping,omitempty"`
	}{reason, advice, r.stopping})
}

// Statuses of refusals.
const (
	badRequest    = 400 // not the JSON asked for
	notYours      = 403 // another process has the task
	notFound      = 404 // no such call
	taskOver      = 409 // the task is over: go on with the next
	tooLarge      = 413 // body over maxBody
	unprocessable = 422 // JSON as asked for, with a value that cannot be; correct it and send again
)

func decodeUpdate(body []byte) (updateMessage, error) {
	var m updateMessage
	if err := decodeStrict(body, &m); err != nil {
		return m, err
	}
	if len(m.Update) > maxPath {
		return m, refuse(unprocessable, "write the update into the task's folder", "update: a path of %d bytes, at most %d", len(m.Update), maxPath)
	}
	if m.Samples > ledger.MaxSamples {
		return m, refuse(unprocessable, "count training examples, not tokens or bytes", "samples: %d, at most %d", m.Samples, uint64(ledger.MaxSamples))
	}
	return m, checkMessage(m.Task, m.Metrics)
}

func decodeSkip(body []byte) (skipMessage, error) {
	var m skipMessage
	if err := decodeStrict(body, &m); err != nil {
		return m, err
	}
	if n := len(m.Reason); n == 0 || n > ledger.MaxReason {
		return m, refuse(unprocessable, "say in a few words why: the other sites see it", "reason: %d bytes, want 1 to %d", n, ledger.MaxReason)
	}
	return m, checkMessage(m.Task, nil)
}

func decodeProgress(body []byte) (progressMessage, error) {
	var m progressMessage
	if err := decodeStrict(body, &m); err != nil {
		return m, err
	}
	return m, checkMessage(m.Task, m.Metrics)
}

// decodeStrict reads the one JSON value that body is, with no field that v does not know.
func decodeStrict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return refuse(badRequest, "the fields are in docs/trainers.md; JSON has no NaN and no infinity", "body: %v", err)
	}
	return nil
}

func checkMessage(task uint64, metrics map[string]float64) error {
	if task == 0 {
		return refuse(unprocessable, "send the id of the task in hand", "task: missing")
	}
	if len(metrics) > ledger.MaxMetrics {
		return refuse(unprocessable, "send the few that matter", "metrics: %d of them, at most %d", len(metrics), ledger.MaxMetrics)
	}
	for name, v := range metrics {
		if !metricName.MatchString(name) {
			return refuse(unprocessable, "use 1 to 64 letters, digits and _./@:+-, a letter, digit or _ first", "metrics: name %.80q", name)
		}
		if math.IsNaN(v) || math.IsInf(v, 0) { // JSON cannot say it; no reader of ours may rely on that
			return refuse(unprocessable, "send finite numbers", "metrics: %s is %v", name, v)
		}
	}
	return nil
}
