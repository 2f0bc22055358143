package gossip

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
)

// readFrames reads all frames as the protocols do.
func readFrames(r io.Reader, limit int) (frames [][]byte, err error) {
	b := bufio.NewReader(r)
	for {
		n, err := readLength(b, limit)
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		data, err := readBody(b, n)
		if err != nil {
			return frames, err
		}
		frames = append(frames, data)
	}
}

func TestFrames(t *testing.T) {
	var stream []byte
	var want [][]byte
	for _, n := range []int{1, 127, 128, 1 << 14, MaxMessage} {
		data := bytes.Repeat([]byte{byte(n)}, n)
		want = append(want, data)
		stream = appendFrame(stream, data)
	}
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(stream),
		"by bytes": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		got, err := readFrames(r, MaxMessage)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d frames, %v", name, len(got), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%s: frame %d differs", name, i)
			}
		}
	}
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"empty frame":       {[]byte{0}, ErrFrame},
		"too long":          {appendFrame(nil, make([]byte, 101)), ErrFrame},
		"huge":              {bytes.Repeat([]byte{0xff}, 10), ErrFrame},
		"not minimal":       {[]byte{0x81, 0}, ErrFrame},
		"cut in the length": {[]byte{0x81}, io.ErrUnexpectedEOF},
		"cut in the body":   {[]byte{2, 1}, io.ErrUnexpectedEOF},
	} {
		if _, err := readFrames(bytes.NewReader(c.stream), 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A promise of a megabyte costs no megabyte.
func TestFramePromisesCostNothing(t *testing.T) {
	promise := appendFrame(nil, make([]byte, MaxMessage))[:10]
	const times = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if _, err := readFrames(bytes.NewReader(promise), MaxMessage); err == nil {
			t.Fatal("read")
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / times; n > 256<<10 {
		t.Errorf("%d bytes for a promise", n)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("a")), []byte("bc")))
	f.Add([]byte{0x80, 0x01})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1000
		frames, err := readFrames(bytes.NewReader(stream), limit)
		var again []byte
		for _, b := range frames {
			if len(b) == 0 || len(b) > limit {
				t.Fatalf("frame of %d bytes", len(b))
			}
			again = appendFrame(again, b)
		}
		if !bytes.HasPrefix(stream, again) || err == nil && len(again) != len(stream) {
			t.Fatalf("%x is read as %x, %v", stream, again, err)
		}
	})
}
