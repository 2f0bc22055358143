package deal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// npy writes an array's file.
func npy(descr, shape, data string) string {
	return npyOf(1, fmt.Sprintf("{'descr': %s, 'fortran_order': False, 'shape': %s}\n", descr, shape)) + data
}

// npyOf writes a header of a version.
func npyOf(version byte, text string) string {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	}
	return string(b) + text
}

// TestHeader: headers as NumPy writes them, and others.
func TestHeader(t *testing.T) {
	ok := func(descr, shape string) string { return npy(descr, shape, "") }
	for text, want := range map[string]string{
		ok("'<f4'", "(2, 3)"):   "2 of 12",
		ok("'|b1'", "(2,)"):     "2 of 1",
		ok("'>c16'", "(1,)"):    "1 of 16",
		ok("'<U3'", "(2,)"):     "2 of 12",
		ok("'|S3'", "(2,1,2)"):  "2 of 6",
		ok("'|V5'", "(2,)"):     "2 of 5",
		ok("'<M8[ns]'", "(2,)"): "2 of 8",
		ok(`[('a', '<f4'), ("b\'", '|S1', (2, 3)), (('title', 'c'), [('d', '<i2')]), ('', '|V2')]`, "(2,)"): "2 of 14",
		npyOf(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n"):                        "2 of 12",
		npyOf(3, "{'shape': (2,), 'fortran_order': True, 'descr': ('<f4')}"):                                "2 of 4",
		npyOf(4, "{}"):                       "version 4",
		npyOf(2, "{}")[:11]:                  "too soon",
		npyOf(1, "{'descr': 1}")[:15]:        "too soon",
		npyOf(1, strings.Repeat(" ", 1e4+1)): "10001 bytes",
		npyOf(1, "{'descr': '<f4'}"):         "has not",
		npyOf(1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}"):             "has not",
		npyOf(1, "{'descr': '<f4', 'fortran_order': False, 'shape': 2}"):            "has not",
		npyOf(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}"): "has not",
		npyOf(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x"):       "no dict",
		npyOf(1, "{'descr': '<f4', 'descr': '<f4'}"):                                "unexpected",
		npyOf(1, "{'descr': '<f4' 'shape': 1}"):                                     "unexpected",
		npyOf(1, "{'descr': (1 2)}"):                                                "unexpected",
		npyOf(1, "{,}"):                                                             "unexpected",
		npyOf(1, "{'a"):                                                             "does not end",
		npyOf(1, "{'a': ["):                                                         "ends too soon",
		npyOf(1, "{'a': "+strings.Repeat("(", 20)):                                  "deep",
		npyOf(1, "{'\xc3\xbc': 1}"):                                                 "ASCII",
		ok("'O'", "(2,)"):                                                           "objects",
		ok("[('a', '|O')]", "(2,)"):                                                 "objects",
		ok("'<f'", "(2,)"):                                                          "not known",
		ok("'<M8[ns'", "(2,)"):                                                      "not known",
		ok("True", "(2,)"):                                                          "not known",
		ok("['<f4']", "(2,)"):                                                       "no name",
		ok("'<f4'", "(-2,)"):                                                        "whole numbers",
		ok("'<f4'", "(2, 'a')"):                                                     "whole numbers",
		ok("'<f4'", "(4294967296, 4294967296)"):                                     "more than 1099511627776 bytes",
		ok("[('a', '|V9999999999', (200,)), ('a', '|S1')]", "(2,)"):                 "more than 1099511627776 bytes",
		ok("["+strings.Repeat("('a', '|V9999999999'), ", 120)+"('a', '|S1')]", "(2,)"): "too large",
		ok("'|S0'", "(5,)"): "empty",
	} {
		h, err := readHeader(strings.NewReader(text))
		if err == nil {
			if got := fmt.Sprintf("%d of %d", h.rows(), h.row()); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestWriteHeader: a header is what NumPy writes.
func TestWriteHeader(t *testing.T) {
	for shape, want := range map[string]string{"(9,)": "(3,)", "(9, 2)": "(3, 2)"} {
		h, err := readHeader(strings.NewReader(npy("'<f4'", shape, "")))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := h.write(&b, 3); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%sv\x00%-117s\n", magic+"\x01\x00", "{'descr': '<f4', 'fortran_order': False, 'shape': "+want+", }"); b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
}

// FuzzHeader: no header makes more of an array than there is, and one that is written again is the same.
func FuzzHeader(f *testing.F) {
	for _, text := range []string{
		npy("'<f4'", "(20, 3)", ""), npy("[('a', '<f4'), ('b', '|S1', (2, 3))]", "(2,)", ""), npyOf(2, "{'descr': '<U3', 'fortran_order': True, 'shape': (2,), }"),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := readHeader(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		if n := h.rows() * h.row(); h.rows() < 1 || h.row() < 1 || n > maxBytes || h.bytes > int64(len(text)) {
			t.Fatalf("%d rows of %d bytes, behind %d of %d bytes", h.rows(), h.row(), h.bytes, len(text))
		}
		var b strings.Builder
		if err := h.write(&b, int(h.rows())); err != nil {
			t.Fatal(err)
		}
		again, err := readHeader(strings.NewReader(b.String()))
		if err != nil || again.rows() != h.rows() || again.row() != h.row() || again.descr != h.descr || again.bytes%64 != 0 {
			t.Fatalf("%q again is %q: %v", text, b.String(), err)
		}
	})
}
