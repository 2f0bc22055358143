package train

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// maxWait bounds one long poll, so that a caller hears from the node now and then.
	maxWait = 60 * time.Second
	// headerTime is how long a request's first lines may take: it comes from this machine.
	headerTime     = 10 * time.Second
	maxHeaderBytes = 8 << 10
)

// newServer returns the HTTP face of d.
func newServer(d *desk) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/task", d.serveTask)
	mux.HandleFunc("GET /v1/task/{id}", d.serveWanted)
	mux.HandleFunc("POST /v1/progress", d.serveProgress)
	mux.HandleFunc("POST /v1/update", d.serveUpdate)
	mux.HandleFunc("POST /v1/text", d.serveText)
	mux.HandleFunc("POST /v1/skip", d.serveSkip)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, nil, refuse(notFound, "the calls are in docs/trainers.md", "no such call: %s %.80q", r.Method, r.URL.Path))
	})
	return &http.Server{Handler: mux, ConnContext: withPeer, ReadHeaderTimeout: headerTime, MaxHeaderBytes: maxHeaderBytes}
}

// reply writes v as JSON, or err as a refusal.
func reply(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		var r *refusal
		if !errors.As(err, &r) {
			r = refuse(http.StatusInternalServerError, "see the node's log", "%v", err)
		}
		v, status = r, r.status
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of ours
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a caller that went away shows at its end, not here
}

// none is the reply of calls that only succeed.
type none struct{}

func (d *desk) serveTask(w http.ResponseWriter, r *http.Request) {
	wait := uint64(0)
	if s := r.URL.Query().Get("wait"); s != "" {
		var err error
		if wait, err = strconv.ParseUint(s, 10, 32); err != nil {
			reply(w, nil, refuse(badRequest, "give whole seconds, such as wait=30", "wait: %.80q", s))
			return
		}
	}
	j, stopped, err := d.take(r.Context(), min(time.Duration(wait)*time.Second, maxWait), callerOf(r))
	switch {
	case err != nil:
		reply(w, nil, err)
	case stopped:
		reply(w, stopMessage{stop}, nil)
	case j == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		reply(w, newTaskMessage(j), nil)
	}
}

func (d *desk) serveWanted(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		reply(w, nil, refuse(badRequest, "give the id of the task in hand", "task: %.80q", r.PathValue("id")))
		return
	}
	_, err = d.wanted(id)
	reply(w, none{}, err)
}

func (d *desk) serveProgress(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxBody)
	if err == nil {
		var m progressMessage
		if m, err = decodeProgress(body); err == nil {
			err = d.progress(m.Task, m.Progress)
		}
	}
	reply(w, none{}, err)
}

func (d *desk) serveUpdate(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxBody)
	if err == nil {
		err = d.update(r.Context(), body)
	}
	reply(w, none{}, err)
}

// update checks what the process made of its task, puts the task down, and waits until it is known what became of it.
func (d *desk) update(ctx context.Context, body []byte) error {
	m, err := decodeUpdate(body)
	if err != nil {
		return err
	}
	if d.hasTaken(m.Task) {
		return nil
	}
	j, err := d.wanted(m.Task)
	if err != nil {
		return d.again(ctx, m.Task, err)
	}
	res := Result{Samples: m.Samples, Metrics: m.Metrics}
	switch {
	case j.task.Kind == Generate:
		return refuse(unprocessable, "answer by POST /v1/text", "update: a task of kind %s wants a text", Generate)
	case j.task.Kind == Evaluate && m.Update != "":
		return refuse(unprocessable, "send samples and metrics only", "update: an evaluation has none")
	case j.task.Kind == Train && m.Samples == 0:
		return refuse(unprocessable, "send how many training examples were seen: the update's weight in the average", "samples: 0")
	case j.task.Kind != Evaluate:
		if res.Update, err = findUpdate(j.task.Dir, m.Update); err != nil {
			return err
		}
	}
	if j, err = d.answer(m.Task, res); err != nil {
		return d.again(ctx, m.Task, err)
	}
	return d.await(ctx, j)
}

func (d *desk) serveText(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxTextBody)
	if err == nil {
		err = d.text(body)
	}
	reply(w, none{}, err)
}

func (d *desk) serveSkip(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxBody)
	if err == nil {
		err = d.skip(body)
	}
	reply(w, none{}, err)
}

// skip puts the task down without an update.
func (d *desk) skip(body []byte) error {
	m, err := decodeSkip(body)
	if err != nil || d.hasTaken(m.Task) {
		return err
	}
	j, err := d.wanted(m.Task)
	if err != nil {
		return err
	}
	if j.task.Kind == Init {
		return refuse(unprocessable, "send the model that the script has made", "skip: the run begins with this site's model")
	}
	_, err = d.answer(m.Task, Result{Skip: m.Reason})
	return err
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, refuse(tooLarge, "weights go into a file, only its path into the body", "body: more than %d bytes", most)
	case err != nil:
		return nil, refuse(badRequest, "send the whole body", "body: %v", err)
	}
	return body, nil
}

// findUpdate returns the real path of the update that the process names, a regular file in
// dir: the node takes it over by rename, so a link would bring in, or leave behind, another file.
func findUpdate(dir, path string) (string, error) {
	const hint = "write a safetensors file into the task's folder"
	if path == "" {
		return "", refuse(unprocessable, hint, "update: missing")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", refuse(unprocessable, hint, "update: no file %q", path)
	case err != nil:
		return "", refuse(unprocessable, hint, "update: %v", err)
	case !info.Mode().IsRegular():
		return "", refuse(unprocessable, hint, "update: %q is not a regular file but %s", path, info.Mode().Type())
	case info.Size() == 0:
		return "", refuse(unprocessable, hint, "update: %q is empty", path)
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	realPath, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", refuse(unprocessable, hint, "update: %v", err)
	}
	if rel, err := filepath.Rel(realDir, realPath); err != nil || !filepath.IsLocal(rel) {
		return "", refuse(unprocessable, hint, "update: %q is outside the task's folder %q", path, dir)
	}
	return realPath, nil
}
