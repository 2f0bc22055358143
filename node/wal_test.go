package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

func testRecord(t *testing.T, i int) round.Record {
	return round.Record{Statement: &ledger.Signed{
		From: testID(t, 0), Kind: ledger.KindPrevote, Sig: []byte("signature"),
		Body: bytes.Repeat([]byte{byte(i + 1)}, 10+100*i),
	}}
}

// writeTestWAL makes a log of the born record and batches of 1, 2, 3... records. It returns the
// file's bytes and where each frame ends with the number of records up to there.
func writeTestWAL(t *testing.T, batches int) (data []byte, ends map[int64]int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := createWAL(path, round.Born{Mesh: block.Sum(block.DagCBOR, []byte("mesh")), Site: testID(t, 0)}); err != nil {
		t.Fatal(err)
	}
	w, torn, err := openWAL(path, func(round.Record) error { return nil })
	if err != nil || torn != 0 {
		t.Fatal(torn, err)
	}
	ends = map[int64]int{w.size: 1}
	n := 0
	for b := range batches {
		var list []round.Record
		for range b + 1 {
			list = append(list, testRecord(t, n%5))
			n++
		}
		if err := w.append(list); err != nil {
			t.Fatal(err)
		}
		ends[w.size] = 1 + n
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, ends
}

func readAllWAL(data []byte) (records int, end, torn int64, err error) {
	end, torn, err = readWAL(bytes.NewReader(data), func(round.Record) error { records++; return nil })
	return records, end, torn, err
}

// A crash may leave any part of the last frame; all frames before it are read.
func TestWALTruncatedAnywhere(t *testing.T) {
	data, ends := writeTestWAL(t, 4)
	whole := 0
	for size := int64(len(walMagic)); size <= int64(len(data)); size++ {
		last := int64(len(walMagic))
		if n, ok := ends[size]; ok {
			whole = n
		}
		for e := range ends {
			if e <= size && e > last {
				last = e
			}
		}
		records, end, torn, err := readAllWAL(data[:size])
		if err != nil || records != whole || end != last || torn != size-last {
			t.Fatalf("%d of %d bytes: %d records to %d, %d torn, %v; want %d to %d", size, len(data), records, end, torn, err, whole, last)
		}
	}
}

// The file grew but its last pages were never written: they read as zeros.
func TestWALZeroedTail(t *testing.T) {
	data, ends := writeTestWAL(t, 5)
	var before int64
	for e := range ends {
		if e < int64(len(data)) {
			before = max(before, e)
		}
	}
	for _, from := range []int64{before, before + 4, (before/512 + 1) * 512} {
		torn := bytes.Clone(data)
		clear(torn[from:])
		records, end, cut, err := readAllWAL(torn)
		if err != nil || end != before || cut != int64(len(data))-before || records != ends[before] {
			t.Errorf("zeros from %d: %d records to %d, %d torn, %v", from, records, end, cut, err)
		}
	}
}

// A flipped bit in what was durable is refused, as dropping a vote could make the site vote twice.
// Only in the length of the very last frame it cannot be told from a torn write.
func TestWALDamageIsRefused(t *testing.T) {
	data, ends := writeTestWAL(t, 4)
	var last int64 // where the last frame begins
	for e := range ends {
		if e < int64(len(data)) {
			last = max(last, e)
		}
	}
	for at := range data {
		bad := bytes.Clone(data)
		bad[at] ^= 0x40
		_, _, torn, err := readAllWAL(bad)
		if err == nil && (torn == 0 || int64(at) < last || int64(at) >= last+frameHeader) {
			t.Fatalf("bit flipped at %d of %d: not refused, %d torn", at, len(data), torn)
		}
		if err != nil && !errors.Is(err, ErrLog) {
			t.Fatalf("bit flipped at %d: %v", at, err)
		}
	}
	bad := bytes.Clone(data)
	bad[60] ^= 1
	_, _, _, err := readAllWAL(bad)
	if err == nil || !strings.Contains(err.Error(), "at byte 8") || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("error says neither where nor what to do: %v", err)
	}
}

func TestWALGoesOnAfterTornEnd(t *testing.T) {
	data, _ := writeTestWAL(t, 3)
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, data[:len(data)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	w, torn, err := openWAL(path, func(round.Record) error { return nil })
	if err != nil || torn == 0 {
		t.Fatal(torn, err)
	}
	if err := errors.Join(w.append([]round.Record{testRecord(t, 1)}), w.close()); err != nil {
		t.Fatal(err)
	}
	var got []string
	w, torn, err = openWAL(path, func(r round.Record) error {
		got = append(got, fmt.Sprint(r.Born != nil, r.Statement != nil && len(r.Statement.Body) == 110))
		return nil
	})
	if err != nil || torn != 0 {
		t.Fatal(torn, err)
	}
	defer w.close()
	if len(got) != 1+1+2+1 || got[4] != "false true" {
		t.Errorf("records %v", got)
	}
}

// Batches beyond a frame are split, and read back whole.
func TestWALLargeBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := createWAL(path, round.Born{Site: testID(t, 0)}); err != nil {
		t.Fatal(err)
	}
	w, _, err := openWAL(path, func(round.Record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	big := testRecord(t, 0)
	big.Statement.Body = make([]byte, 900<<10)
	if err := errors.Join(w.append([]round.Record{big, big, big, big, big, big, testRecord(t, 2)}), w.close()); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, torn, err := openWAL(path, func(round.Record) error { n++; return nil }); err != nil || torn != 0 || n != 8 {
		t.Fatalf("%d records, %d torn, %v", n, torn, err)
	}
}

func FuzzWAL(f *testing.F) {
	f.Add([]byte(walMagic))
	f.Add([]byte(walMagic + "\x01\x00\x00\x00abcd\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		end, torn, err := readWAL(bytes.NewReader(data), func(round.Record) error { return nil })
		if err == nil && end+torn != int64(len(data)) {
			t.Fatalf("%d good and %d torn of %d bytes", end, torn, len(data))
		}
	})
}
