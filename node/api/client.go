package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
)

const (
	maxRefusal    = 1 << 20  // bytes of an error's body
	maxSocketPath = 103      // bytes: sun_path of macOS, the shortest, less its end
	MaxTraceLine  = 64 << 10 // bytes of one event
)

// SocketName is the local API's socket in the site's directory.
const SocketName = "api.sock"

// Client speaks the local API of a site's node. Errors are ErrNotRunning if there is no node, an
// *Error if it refuses, ErrSocketPath, or those of the connection.
type Client struct {
	dir  string
	http *http.Client
}

// Dial returns a client of the node that runs in a site's directory. It connects when it is used.
func Dial(dir string) *Client {
	path := filepath.Join(dir, SocketName)
	return &Client{dir, &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     time.Minute,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if err := CheckSocketPath(path); err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Close closes the connections that no request uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status says where the site stands, with the newest round of each run alone.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[*Status](ctx, c, "/v1/status")
}

// Peers describes the other sites.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return get[[]Peer](ctx, c, "/v1/peers")
}

// Ledger returns decided entries from a height on, at most limit, ascending.
func (c *Client) Ledger(ctx context.Context, from uint64, limit int) ([]LedgerEntry, error) {
	return get[[]LedgerEntry](ctx, c, fmt.Sprintf("/v1/ledger?from=%d&limit=%d", from, limit))
}

// Block returns a block that the site holds, verified.
func (c *Client) Block(ctx context.Context, id block.CID) ([]byte, error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/blocks/"+id.String(), nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, block.MaxSize+1))
	if err != nil {
		return nil, err
	}
	return data, id.Verify(data)
}

// Model returns a model as a safetensors file, with the constants of its run unless that is undefined, to be read to its end
// and closed. An end that comes too early is an error of reading.
func (c *Client) Model(ctx context.Context, run, manifest block.CID) (io.ReadCloser, error) {
	path := "/v1/models/" + manifest.String()
	if run.Defined() {
		path += "?run=" + run.String()
	}
	return c.do(ctx, http.MethodGet, path, nil)
}

// Events yields the trace from a sequence number on, as far as the node has it in memory, and with
// follow what comes until ctx ends or the node does. An error is the last thing it yields.
func (c *Client) Events(ctx context.Context, from uint64, follow bool) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		q := url.Values{"from": {strconv.FormatUint(from, 10)}}
		if follow {
			q.Set("follow", "1")
		}
		body, err := c.do(ctx, http.MethodGet, "/v1/events?"+q.Encode(), nil)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, MaxTraceLine)
		for lines.Scan() {
			var ev Event
			err := json.Unmarshal(lines.Bytes(), &ev)
			if !yield(ev, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, fmt.Errorf("events: %w", err))
		}
	}
}

// Start asks for a run. It is open once the ledger has its open entry.
func (c *Client) Start(ctx context.Context, req RunRequest) (RunReply, error) {
	return post[RunReply](ctx, c, "/v1/runs", req)
}

// Consent answers for the site whether it takes part in a run.
func (c *Client) Consent(ctx context.Context, run block.CID, answer Consent) error {
	_, err := post[struct{}](ctx, c, "/v1/runs/"+run.String()+"/consent", answer)
	return err
}

// Stop asks the mesh to end a run.
func (c *Client) Stop(ctx context.Context, run block.CID, stop Stop) error {
	_, err := post[struct{}](ctx, c, "/v1/runs/"+run.String()+"/stop", stop)
	return err
}

// Steps returns the curves of the site's own trainings in a run.
func (c *Client) Steps(ctx context.Context, run block.CID) ([]TrainingSteps, error) {
	return get[[]TrainingSteps](ctx, c, "/v1/runs/"+run.String()+"/steps")
}

// Evaluate has the site's trainer measure a model of a run, and waits for it.
func (c *Client) Evaluate(ctx context.Context, run, model block.CID) (Evaluation, error) {
	return post[Evaluation](ctx, c, "/v1/runs/"+run.String()+"/evaluate", EvaluateRequest{model})
}

// Generate has the site's trainer generate text with a model of a run, and waits for it.
func (c *Client) Generate(ctx context.Context, run block.CID, req GenerateRequest) (Generated, error) {
	return post[Generated](ctx, c, "/v1/runs/"+run.String()+"/generate", req)
}

// Roster describes the sites of the mesh and the changes that are asked for.
func (c *Client) Roster(ctx context.Context) (Roster, error) {
	return get[Roster](ctx, c, "/v1/roster")
}

// ChangeRoster says the operator's yes to a change of the roster, or takes it back.
func (c *Client) ChangeRoster(ctx context.Context, req ChangeRequest) (RosterChange, error) {
	return post[RosterChange](ctx, c, "/v1/roster", req)
}

func get[T any](ctx context.Context, c *Client, path string) (v T, err error) {
	return decode[T](c.do(ctx, http.MethodGet, path, nil))
}

func post[T any](ctx context.Context, c *Client, path string, v any) (T, error) {
	b, err := json.Marshal(v)
	if err != nil {
		var none T
		return none, err
	}
	return decode[T](c.do(ctx, http.MethodPost, path, bytes.NewReader(b)))
}

func decode[T any](body io.ReadCloser, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return v, fmt.Errorf("local API: %w", err)
	}
	return v, nil
}

// do sends a request and returns the answer's body.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://weft"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var refused Error
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRefusal)).Decode(&refused); err != nil || refused.Message == "" {
		return nil, &Error{Message: "the node answers " + resp.Status}
	}
	return nil, &refused
}

// explain says what an error of connecting means.
func (c *Client) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which says nothing here
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return hint.Add(fmt.Errorf("%s: %w", c.dir, ErrNotRunning), "start it with weft up, or name the site's directory with --dir")
	}
	return err
}

// CheckSocketPath returns ErrSocketPath for a path that no socket can have.
func CheckSocketPath(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	return hint.Add(fmt.Errorf("%w: %s has %d bytes, at most %d", ErrSocketPath, path, len(path), maxSocketPath), "move the site's directory to a shorter path, such as ~/.weft")
}
