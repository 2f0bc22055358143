package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/trace"
)

func newTestEvents(t *testing.T, path string) *events {
	t.Helper()
	e := openEvents(path, "a", slog.New(slog.DiscardHandler))
	if e.file == nil {
		t.Fatal("the trace is not written")
	}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func seqs(e *events, from uint64) (list []uint64) {
	for ev := range e.follow(context.Background(), from, false) {
		list = append(list, ev.Seq)
	}
	return list
}

// Events are numbered on over restarts, the file is rotated, and memory holds the newest.
func TestEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), site.TraceFile)
	e := newTestEvents(t, path)
	e.limit = 1000
	for range 20 {
		e.add(time.Unix(1, 0), trace.VotesAgain{}, trace.HeightOpened{Subject: trace.At(2)})
	}
	if got := seqs(e, 39); len(got) != 2 || got[0] != 39 {
		t.Errorf("from 39: %v", got)
	}
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > 1500 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":41,"event":"cut sho`); err != nil {
		t.Fatal(err)
	}
	f.Close()

	e = newTestEvents(t, path)
	e.add(time.Unix(2, 0), trace.Corrupt{Why: "after"})
	got := seqs(e, 1)
	if len(got) < 5 || got[len(got)-1] != 41 || e.last() != 41 {
		t.Errorf("after a restart: %v", got)
	}
	for i := range got[1:] {
		if got[i+1] != got[i]+1 {
			t.Errorf("a hole: %v", got)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var last api.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		_ = json.Unmarshal(lines.Bytes(), &last) // the line that was cut short
	}
	if last.Text() != "after" || last.Site != "a" {
		t.Errorf("last line %+v", last)
	}
}

// An event says whose trace it is of, and whom it is about.
func TestEventJSON(t *testing.T) {
	want := api.Event{Origin: api.Origin{Seq: 3, Time: time.Unix(1, 0).UTC(), Site: "a"}, Event: trace.Held{
		Subject: trace.In(testCID(block.DagCBOR, "run"), 2).Of(testID(t, 1)), Update: testCID(block.DagCBOR, "update"),
	}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got api.Event
	if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s gives %+v, %v", b, got, err)
	}
	if !strings.HasPrefix(string(b), `{"seq":3,"time":"1970-01-01T00:00:01Z","site":"a","event":"holds","about":"12D3`) {
		t.Errorf("%s", b)
	}
}

// An event that is too long for a line is kept shortened.
func TestLongEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), site.TraceFile)
	e := newTestEvents(t, path)
	e.add(time.Unix(1, 0), trace.Rejected{Subject: trace.Of(testID(t, 1)), Why: strings.Repeat("x", 2*api.MaxTraceLine)})
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	e = newTestEvents(t, path)
	for ev := range e.follow(t.Context(), 1, false) {
		if ev.Kind() != "rejected" || ev.About().Site != testID(t, 1) || len(ev.Text()) != 4096 {
			t.Errorf("%+v", ev)
		}
	}
	if e.last() != 1 {
		t.Errorf("%d events", e.last())
	}
}

// A trace that cannot be written is tried again, and the log says how many lines are lost.
func TestEventsWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), site.TraceFile)
	var log bytes.Buffer
	e := openEvents(path, "a", slog.New(slog.NewTextHandler(&log, nil)))
	defer e.close()
	now := time.Unix(1, 0)
	e.add(now, trace.VotesAgain{})
	e.file.Close() // as if its disk had failed
	e.add(now, trace.VotesAgain{}, trace.VotesAgain{})
	e.add(now.Add(writeAgain/2), trace.VotesAgain{})
	e.add(now.Add(writeAgain), trace.VotesAgain{})
	lines := 0
	if err := api.ReadTrace(path, func(api.Event) { lines++ }); err != nil || lines != 2 {
		t.Errorf("%d lines are in the file (%v), want 2", lines, err)
	}
	if text := log.String(); !strings.Contains(text, "it is tried again in a minute") || !strings.Contains(text, `lost=3`) {
		t.Errorf("the log says %s", text)
	}
	if e.last() != 5 {
		t.Errorf("%d events", e.last())
	}
}

func TestEventsRing(t *testing.T) {
	e := newTestEvents(t, filepath.Join(t.TempDir(), site.TraceFile))
	for range 3 * ringEvents {
		e.add(time.Unix(1, 0), trace.VotesAgain{})
	}
	got := seqs(e, 1)
	if len(got) < ringEvents || len(got) > 2*ringEvents || got[len(got)-1] != 3*ringEvents {
		t.Errorf("%d events, the last %d", len(got), got[len(got)-1])
	}
}

func TestEventsFollow(t *testing.T) {
	e := newTestEvents(t, filepath.Join(t.TempDir(), site.TraceFile))
	got := make(chan uint64)
	go func() {
		defer close(got)
		for ev := range e.follow(t.Context(), 2, true) {
			got <- ev.Seq
		}
	}()
	for i := range uint64(4) {
		e.add(time.Unix(1, 0), trace.VotesAgain{})
		if i > 0 && <-got != i+1 {
			t.Fatal("out of order")
		}
	}
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	if _, more := <-got; more {
		t.Error("an event after the end")
	}
}

// What somebody still has to say when the trace has ended is passed over.
func TestEventsAfterTheEnd(t *testing.T) {
	e := newTestEvents(t, filepath.Join(t.TempDir(), site.TraceFile))
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	e.add(time.Now(), trace.VotesAgain{})
	if got := e.last(); got != 0 {
		t.Errorf("the trace goes on to %d", got)
	}
}
