package real

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
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
	want := func(names ...string) {
		t.Helper()
		events, err := tail.read()
		if err != nil || len(events) != len(names) {
			t.Fatalf("got %v, %v; want %v", events, err, names)
		}
		for i, e := range events {
			if e.Event != names[i] {
				t.Errorf("event %d is %q, want %q", i, e.Event, names[i])
			}
		}
	}
	want()
	write(`{"seq":1,"event":"one"}` + "\n" + `{"seq":2,"event":"t`)
	want("one")
	write(`wo"}` + "\n")
	want("two")
	want()

	// A crash cuts a line, the next start ends it.
	write(`{"seq":3,"ev` + "\n" + `{"seq":3,"event":"three"}` + "\n")
	want("three")

	// Rotated, with a line that was not read yet.
	write(`{"seq":4,"event":"four"}` + "\n")
	if err := errors.Join(f.Close(), os.Rename(path, path+".1")); err != nil {
		t.Fatal(err)
	}
	f = nil
	write(`{"seq":5,"event":"five"}` + "\n")
	want("four", "five")

	// Removed, and begun anew.
	write(`{"seq":6,"event":"six"}` + "\n")
	if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	f = nil
	want("six")
	want()
	write(`{"seq":1,"event":"again"}` + "\n")
	want("again")
	if err := errors.Join(tail.close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
