package trace

import (
	"bytes"
	"testing"
)

// A line of a trace reads back as an event that is written as it was read, whatever another version, or a bad disk, has put there.
func FuzzUnmarshal(f *testing.F) {
	for _, k := range Kinds() {
		f.Add([]byte(`{"site":"a","seq":1,"event":"` + string(k) + `","round":2,"height":3}`))
	}
	f.Add([]byte(`{"event":"of tomorrow","text":"words","about":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Unmarshal(data)
		if err != nil {
			return
		}
		once, err := Marshal(struct{}{}, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Unmarshal(once)
		if err != nil {
			t.Fatalf("%s does not read back: %v", once, err)
		}
		if twice, err := Marshal(struct{}{}, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s is written as %s, %v", once, twice, err)
		}
		if s := Shortened(e); s.Kind() != e.Kind() || len(s.Text()) > 4096*4 {
			t.Fatal("shortened to another event")
		}
	})
}
