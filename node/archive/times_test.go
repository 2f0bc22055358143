package archive

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/trace"
)

func traceLine(t testing.TB, seq uint64, at time.Time, e trace.Event) []byte {
	t.Helper()
	line, err := json.Marshal(api.Event{Origin: api.Origin{Seq: seq, Time: at, Site: "a"}, Event: e})
	if err != nil {
		t.Fatal(err)
	}
	return append(line, '\n')
}

// TestDecidedAt: times come from both files of the trace; what a crash has cut short, and what is no decision, is passed over.
func TestDecidedAt(t *testing.T) {
	dir, at := t.TempDir(), time.Unix(1_700_000_000, 0).UTC()
	decided := func(height uint64) trace.Event { return trace.Decided{Subject: trace.At(height)} }
	first := append(traceLine(t, 1, at, decided(3)), traceLine(t, 2, at.Add(time.Second), trace.Up{})...)
	second := traceLine(t, 3, at.Add(time.Minute), decided(4))
	cut := traceLine(t, 4, at.Add(time.Hour), decided(5))
	second = append(second, append(cut[:len(cut)/2], '\n')...)
	second = append(second, traceLine(t, 5, at.Add(2*time.Hour), decided(6))...)
	path := filepath.Join(dir, site.TraceFile)
	if got, err := DecidedAt(dir); err != nil || len(got) != 0 {
		t.Errorf("without a trace: %v, %v", got, err)
	}
	for name, data := range map[string][]byte{path + api.OldTrace: first, path: second} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := DecidedAt(dir)
	want := map[uint64]time.Time{3: at, 4: at.Add(time.Minute), 6: at.Add(2 * time.Hour)}
	if err != nil || !maps.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// FuzzDecidedAt: whatever lies in a trace is read or passed over.
func FuzzDecidedAt(f *testing.F) {
	f.Add(traceLine(f, 1, time.Unix(5, 0), trace.Decided{Subject: trace.At(2)}))
	f.Add([]byte(`{"seq":1,"event":"decided","height":"2"}` + "\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, site.TraceFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := DecidedAt(dir); err != nil {
			t.Error(err)
		}
	})
}
