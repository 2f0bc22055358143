package server

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/node/api"
)

// eventStream is the type of server-sent events (HTML Living Standard, section 9.2).
const eventStream = "text/event-stream"

// events writes the trace, as server-sent events if the caller asks for them, else as JSON lines; with follow=1, and always as
// server-sent events, until the caller goes away.
func (s *server) events(w http.ResponseWriter, r *http.Request) (any, error) {
	from, err := number(r, "from", 1, 1<<62)
	if err != nil {
		return nil, err
	}
	follow, kind, write := r.URL.Query().Get("follow") == "1", "application/x-ndjson", writeLine
	if wantsStream(r) {
		follow, kind, write = true, eventStream, writeSent
		if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 62); err == nil {
			from = last + 1 // a browser, or another client of such streams, connects again
		}
	}
	w.Header().Set("Content-Type", kind)
	flush := http.NewResponseController(w)
	if err := flush.Flush(); err != nil { // the caller learns at once that it is connected
		return nil, nil
	}
	last, list := s.site.Events(r.Context(), from, follow)
	first := true
	for ev := range list {
		if lost := ev.Seq - from; first && lost > 0 && kind == eventStream {
			if _, err := fmt.Fprintf(w, "event: lost\ndata: {\"from\":%d,\"events\":%d}\n\n", from, lost); err != nil {
				return nil, nil
			}
		}
		first = false
		if write(w, &ev) != nil {
			return nil, nil // the caller is gone
		}
		if ev.Seq >= last && flush.Flush() != nil {
			return nil, nil
		}
	}
	return nil, nil
}

// wantsStream reports whether the caller asks for server-sent events.
func wantsStream(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == eventStream {
			return true
		}
	}
	return false
}

func writeLine(w io.Writer, ev *api.Event) error { return json.NewEncoder(w).Encode(ev) }

// writeSent writes an event as a server-sent one: its number is what a client names when it comes again.
func writeSent(w io.Writer, ev *api.Event) error {
	data, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", ev.Seq, ev.Kind(), data)
	return err
}
