package real

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/trace"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	tail := tail{path: path}
	f := (*os.File)(nil)
	write := func(text string) {
		t.Helper()
		var err error
		if f == nil {
			f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		}
		if _, errWrite := f.WriteString(text); errors.Join(err, errWrite) != nil {
			t.Fatal(err, errWrite)
		}
	}
	want := func(names ...trace.Kind) {
		t.Helper()
		events, err := tail.read()
		if err != nil || len(events) != len(names) {
			t.Fatalf("got %v, %v; want %v", events, err, names)
		}
		for i, e := range events {
			if e.Kind() != names[i] {
				t.Errorf("event %d is %q, want %q", i, e.Kind(), names[i])
			}
		}
	}
	want()
	write(`{"seq":1,"event":"up"}` + "\n" + `{"seq":2,"event":"tr`)
	want("up")
	write(`ain"}` + "\n")
	want("train")
	want()

	// A crash cuts a line, the next start ends it.
	write(`{"seq":3,"ev` + "\n" + `{"seq":3,"event":"decide"}` + "\n")
	want("decide")

	// Rotated, with a line that was not read yet.
	write(`{"seq":4,"event":"ready"}` + "\n")
	if err := errors.Join(f.Close(), os.Rename(path, path+".1")); err != nil {
		t.Fatal(err)
	}
	f = nil
	write(`{"seq":5,"event":"view"}` + "\n")
	want("ready", "view")

	// Removed, and begun anew.
	write(`{"seq":6,"event":"down"}` + "\n")
	if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	f = nil
	want("down")
	want()
	write(`{"seq":1,"event":"again"}` + "\n")
	want("again")
	if err := errors.Join(tail.close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
