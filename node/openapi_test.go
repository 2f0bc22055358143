package node

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
)

// overSocket is a client of a site's socket, as other programs have one.
func overSocket(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, api.SocketName))
	}}}
}

// testOpenAPI: what a node answers is what its own description says.
func testOpenAPI(t *testing.T, s *testSite, run block.CID) {
	c := overSocket(s.dir)
	defer c.CloseIdleConnections()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(fetch(t, c, "http://weft/v1/openapi.json", http.StatusOK)))
	if err != nil {
		t.Fatal(err)
	}
	for path, asked := range map[string]string{
		"/v1/status": "", "/v1/peers": "", "/v1/ledger": "", "/v1/roster": "", "/healthz": "", "/readyz": "",
		"/v1/runs/{run}/rounds": "/v1/runs/" + run.String() + "/rounds", "/v1/runs/{run}/steps": "/v1/runs/" + run.String() + "/steps",
	} {
		if asked == "" {
			asked = path
		}
		var answer any
		if err := json.Unmarshal([]byte(fetch(t, c, "http://weft"+asked, http.StatusOK)), &answer); err != nil {
			t.Fatal(err)
		}
		schema := doc.Paths.Value(path).Get.Responses.Status(200).Value.Content.Get("application/json").Schema.Value
		closed(doc.Components.Schemas)
		if err := schema.VisitJSON(answer, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s: %v", asked, err)
		}
	}
}

// closed has schemas allow no property that they do not name.
func closed(schemas openapi3.Schemas) {
	no := false
	for _, s := range schemas {
		if len(s.Value.Properties) > 0 {
			s.Value.AdditionalProperties.Has = &no
		}
	}
}

// testStream: events come as server-sent ones to who asks for them, and go on where a client says that it has been cut off.
func testStream(t *testing.T, s *testSite) {
	c := overSocket(s.dir)
	defer c.CloseIdleConnections()
	read := func(last string) (lines []string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://weft/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html;q=0.1, text/event-stream")
		req.Header.Set("Last-Event-ID", last)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("events come as %q", kind)
		}
		text := make([]byte, 0, 1<<16)
		for strings.Count(string(text), "\n\n") < 2 {
			n, err := resp.Body.Read(text[len(text):cap(text)])
			if text = text[:len(text)+n]; err != nil {
				t.Fatalf("%v after %q", err, text)
			}
		}
		return strings.SplitN(string(text), "\n", 9)
	}
	first := read("")
	var ev api.Event
	if len(first) < 8 || first[0] != "id: 1" || first[4] != "id: 2" || !strings.HasPrefix(first[1], "event: ") || json.Unmarshal([]byte(strings.TrimPrefix(first[2], "data: ")), &ev) != nil || ev.Seq != 1 {
		t.Errorf("the first events are %q", first)
	}
	if again := read("1"); len(again) < 4 || again[0] != "id: 2" {
		t.Errorf("after event 1 come %q", again)
	}
}
