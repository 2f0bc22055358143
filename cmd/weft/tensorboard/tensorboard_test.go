package tensorboard

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
)

// TestGolden: the bytes are those that TensorBoard's own RecordWriter made of the same events, by its protobuf classes.
func TestGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/written-by-tensorboard.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	first := time.Unix(1_700_000_000, 5e8)
	w, err := NewWriter(&got, first)
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []struct {
		at      time.Time
		step    uint64
		scalars []Scalar
	}{
		{first, 1, []Scalar{{"loss", 0.5}, {"eval/accuracy", 0.1}}},
		{first.Add(59750 * time.Millisecond), 2, []Scalar{{"loss", 0}}},
		{first.Add(119500 * time.Millisecond), 300, []Scalar{{"loss", -1e-30}}},
	} {
		if err := w.Add(add.at, add.step, add.scalars); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%x, want\n%x", got.Bytes(), want)
	}
}

// TestChecksum is the test vector of the CRC-32C (RFC 3720, B.4: 32 bytes of zero), masked.
func TestChecksum(t *testing.T) {
	const sum = 0x8a9136aa
	want := uint32(sum>>15 | sum<<17&0xffffffff)
	if got := masked(make([]byte, 32)); got != want+0xa282ead8 {
		t.Errorf("%08x, want %08x", got, want+0xa282ead8)
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	if _, err := NewWriter(full{}, time.Now()); !errors.Is(err, errFull) {
		t.Error(err)
	}
}
