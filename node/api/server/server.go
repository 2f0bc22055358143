package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
)

// Reader says where a site stands.
type Reader interface {
	Status(ctx context.Context) (api.Status, error)
	Peers() []api.Peer
	Entries(ctx context.Context, from uint64, limit int) ([]api.LedgerEntry, error)
	Rounds(ctx context.Context, run block.CID, from uint64, limit int) (api.Rounds, error)
	Steps(ctx context.Context, run block.CID) ([]api.TrainingSteps, error)
	Roster(ctx context.Context) (api.Roster, error)
	Events(ctx context.Context, from uint64, follow bool) (newest uint64, list iter.Seq[api.Event])
}

// Operator does what the site's operator asks for.
type Operator interface {
	OpenRun(ctx context.Context, req api.RunRequest) (api.RunReply, error)
	Consent(ctx context.Context, run block.CID, accept bool) error
	StopRun(ctx context.Context, run block.CID, reason string) error
	Evaluate(ctx context.Context, run, model block.CID) (*api.Evaluation, error)
	Generate(ctx context.Context, run block.CID, req api.GenerateRequest) (*api.Generated, error)
	ChangeRoster(ctx context.Context, req api.ChangeRequest) (api.RosterChange, error)
}

// Store has the site's blocks and models.
type Store interface {
	Block(c block.CID) ([]byte, error)
	// Model returns the bytes of a model as a safetensors file, with the constants of its run if one is named, and what
	// writes it.
	Model(ctx context.Context, run, c block.CID) (size int64, write func(io.Writer) error, err error)
}

// Site is all that the local API asks of a node.
type Site interface {
	Reader
	Operator
	Store
}

// server answers the local API (package api). Whoever can open the socket is the site's operator.
type server struct {
	site    Site
	metrics http.Handler
	log     *slog.Logger
}

const (
	headerTime     = 10 * time.Second // for a request's first lines; it comes from this machine
	idleTime       = time.Minute      // of a connection between two requests
	maxHeaderBytes = 16 << 10
	closeTime      = 2 * time.Second // for requests under way when the node ends
	maxBody        = 1 << 20         // bytes of a request
	maxLedgerPage  = 1000            // entries in one answer
)

// Listen makes the socket at a path. One that is there is of a node that was killed, as the site's directory is locked.
func Listen(path string) (net.Listener, error) {
	if err := api.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("local API: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("local API: %w", err), l.Close())
	}
	return l, nil
}

// Serve answers until ctx ends; then it gives requests under way a moment and removes the socket.
func Serve(ctx context.Context, l net.Listener, site Site, metrics http.Handler, log *slog.Logger) error {
	s := &server{site, metrics, log}
	return serve(ctx, l, s.routes())
}

func serve(ctx context.Context, l net.Listener, routes http.Handler) error {
	h := &http.Server{
		Handler: routes, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return ctx }, // who follows events is told to stop
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := h.Shutdown(closing)
	if err != nil {
		err = h.Close()
	}
	if e := <-ended; err == nil && !errors.Is(e, http.ErrServerClosed) {
		err = e
	}
	return err
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, f func(http.ResponseWriter, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			v, err := f(w, r)
			switch {
			case err != nil:
				writeError(w, err)
			case v != nil:
				writeJSON(w, http.StatusOK, v)
			}
		})
	}
	watchers(mux, s.site, s.metrics)
	route("GET /v1/status", func(_ http.ResponseWriter, r *http.Request) (any, error) { return s.site.Status(r.Context()) })
	route("GET /v1/peers", func(http.ResponseWriter, *http.Request) (any, error) { return s.site.Peers(), nil })
	route("GET /v1/ledger", s.ledger)
	route("GET /v1/events", s.events)
	route("GET /v1/blocks/{cid}", s.block)
	route("GET /v1/models/{manifest}", s.model)
	route("POST /v1/runs", s.openRun)
	route("POST /v1/runs/{run}/consent", s.consent)
	route("POST /v1/runs/{run}/stop", s.stop)
	route("POST /v1/runs/{run}/evaluate", s.evaluate)
	route("POST /v1/runs/{run}/generate", s.generate)
	route("GET /v1/runs/{run}/rounds", s.rounds)
	route("GET /v1/runs/{run}/steps", s.steps)
	route("GET /v1/openapi.json", s.openAPI)
	route("GET /v1/roster", s.roster)
	route("POST /v1/roster", s.changeRoster)
	route("/", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, api.Refuse(http.StatusNotFound, "the calls are listed in node/api/api.go", "no such call: %s %.80q", r.Method, r.URL.Path)
	})
	return mux
}

// writeError maps an error to a status and its body.
func writeError(w http.ResponseWriter, err error) {
	var known *api.Refusal
	var large *http.MaxBytesError
	body, status := api.Error{Message: err.Error()}, http.StatusInternalServerError
	switch {
	case errors.As(err, &known):
		body, status = known.Body, known.Status
	case errors.As(err, &large):
		body, status = api.Error{Message: fmt.Sprintf("the request has more than %d bytes", large.Limit)}, http.StatusRequestEntityTooLarge
	case errors.Is(err, blockstore.ErrIncomplete):
		status = http.StatusNotFound
		body.Hint = "it is not whole here: what this site keeps is fetched again, try again in a moment, or at another site"
	case errors.Is(err, blockstore.ErrNotFound):
		status = http.StatusNotFound
		body.Hint = api.NotHeldHint
	case errors.As(err, new(*blockstore.CorruptError)):
		body.Hint = "the copy on this site's disk was damaged; what this site keeps is fetched again: try again in a moment, or at another site"
	case errors.Is(err, api.ErrStopped), errors.Is(err, context.Canceled):
		status = http.StatusServiceUnavailable
	case hint.Of(err) != "":
		body.Message, body.Hint = hint.Split(err)
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of ours, whose numbers are finite
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a caller that went away shows at its end, not here
}

// number reads a query's whole number.
func number(r *http.Request, name string, otherwise, most uint64) (uint64, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, api.Refuse(http.StatusBadRequest, "such as "+name+"=1", "%s: %.40q is not a whole number", name, s)
	}
	return min(v, most), nil
}

// pathCID reads a CID of the request's path.
func pathCID(r *http.Request, name string) (block.CID, error) {
	c, err := block.Parse(r.PathValue(name))
	if err != nil {
		return c, api.Refuse(http.StatusBadRequest, "weft status and weft ledger show CIDs", "%s: %v", name, err)
	}
	return c, nil
}

func (s *server) ledger(_ http.ResponseWriter, r *http.Request) (any, error) {
	from, err := number(r, "from", 1, 1<<62)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 100, maxLedgerPage)
	if err != nil {
		return nil, err
	}
	return s.site.Entries(r.Context(), from, int(limit))
}

func (s *server) rounds(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	from, err := number(r, "from", 1, 1<<62)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 100, api.MaxRounds)
	if err != nil {
		return nil, err
	}
	return s.site.Rounds(r.Context(), run, from, int(limit))
}

func (s *server) steps(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	return s.site.Steps(r.Context(), run)
}

func (s *server) block(w http.ResponseWriter, r *http.Request) (any, error) {
	c, err := pathCID(r, "cid")
	if err != nil {
		return nil, err
	}
	data, err := s.site.Block(c)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(data) // a caller that went away
	return nil, nil
}

// model writes a model as a safetensors file, whose length comes first so that a cut is noticed.
func (s *server) model(w http.ResponseWriter, r *http.Request) (any, error) {
	c, err := pathCID(r, "manifest")
	if err != nil {
		return nil, err
	}
	var run block.CID
	if text := r.URL.Query().Get("run"); text != "" {
		if run, err = block.Parse(text); err != nil {
			return nil, api.Refuse(http.StatusBadRequest, "weft run list shows the runs", "run: %v", err)
		}
	}
	size, write, err := s.site.Model(r.Context(), run, c)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if err := write(w); err != nil {
		s.log.Warn("a model was not written whole", "model", c, "error", err)
		panic(http.ErrAbortHandler) // ends the connection before the promised length
	}
	return nil, nil
}

// decodeBody reads a request's JSON strictly.
func decodeBody(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		return api.Refuse(http.StatusBadRequest, "send the JSON that node/api/api.go describes", "body: %v", err)
	}
	return err
}
