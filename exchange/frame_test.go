package exchange

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/weft-mesh/weft/block"
)

func someCIDs(n int) []block.CID {
	out := make([]block.CID, n)
	for i := range out {
		codec := block.Raw
		if i%3 == 2 {
			codec = block.DagCBOR
		}
		out[i] = block.Sum(codec, binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
	return out
}

// frame is any frame, decoded.
type frame struct {
	kind  kind
	order order
	cids  []block.CID
	data  []byte
}

func (f *frame) append(dst []byte) []byte {
	if f.kind == kindBlock {
		return append(appendBlockHeader(dst, f.cids[0], len(f.data)), f.data...)
	}
	return appendList(dst, f.kind, f.order, f.cids)
}

func decodeFrame(d *decoder) (f frame, err error) {
	var n int
	if f.kind, n, err = d.next(); err != nil {
		return f, err
	}
	switch f.kind {
	case kindWant:
		f.order, f.cids, err = d.want(n)
	case kindBlock:
		f.cids, err = d.list(cidSize)
		if err == nil {
			f.data = make([]byte, n-cidSize)
			err = d.bytes(f.data)
		}
	default:
		f.cids, err = d.list(n)
	}
	return f, err
}

// TestWireBytes pins the protocol down to the byte.
func TestWireBytes(t *testing.T) {
	c := block.Sum(block.Raw, []byte("weft"))
	digest := c.Digest()
	cid := string(append([]byte{0x55}, digest[:]...))
	for _, tc := range []struct {
		frame frame
		want  string
	}{
		{frame{kindWant, 1, []block.CID{c}, nil}, "\x23\x01\x01" + cid},
		{frame{kindCancel, 0, []block.CID{c}, nil}, "\x22\x02" + cid},
		{frame{kindHave, 0, []block.CID{c, c}, nil}, "\x43\x03" + cid + cid},
		{frame{kindDontHave, 0, []block.CID{c}, nil}, "\x22\x04" + cid},
		{frame{kindBlock, 0, []block.CID{c}, []byte("weft")}, "\x26\x05" + cid + "weft"},
		{frame{kindBlock, 0, []block.CID{c}, bytes.Repeat([]byte{7}, 200)}, "\xea\x01\x05" + cid + string(bytes.Repeat([]byte{7}, 200))},
	} {
		if got := string(tc.frame.append(nil)); got != tc.want {
			t.Errorf("%s:\n got %x\nwant %x", tc.frame.kind, got, tc.want)
		}
	}
	if maxFrame != 4194338 {
		t.Errorf("doc.go says that a frame has at most 4194338 bytes, it is %d", maxFrame)
	}
}

func TestDecodeLimits(t *testing.T) {
	full := frame{kindWant, urgent, someCIDs(MaxListed), nil}
	big := frame{kindBlock, 0, someCIDs(1), make([]byte, block.MaxSize)}
	for _, f := range []frame{full, big} {
		got, err := decodeFrame(newDecoder(bytes.NewReader(f.append(nil))))
		if err != nil || !bytes.Equal(got.append(nil), f.append(nil)) {
			t.Errorf("largest %s frame: %v", f.kind, err)
		}
	}
	over := frame{kindHave, 0, someCIDs(MaxListed + 1), nil}
	bigger := frame{kindBlock, 0, someCIDs(1), make([]byte, block.MaxSize+1)}
	one := frame{kindDontHave, 0, someCIDs(1), nil}
	codec := one.append(nil)
	codec[2] = 0x70
	for name, tc := range map[string]struct {
		in   []byte
		want error
	}{
		"one CID too many":   {over.append(nil), ErrLimit},
		"block too large":    {bigger.append(nil), ErrLimit},
		"length of 5 bytes":  {[]byte{0x80, 0x80, 0x80, 0x80, 0x01}, ErrLimit},
		"empty frame":        {[]byte{0}, ErrFrame},
		"long form of 1":     {[]byte{0x81, 0x00, 0x02}, ErrFrame},
		"unknown type":       {[]byte{1, 9}, ErrFrame},
		"empty list":         {[]byte{1, byte(kindCancel)}, ErrFrame},
		"want without order": {[]byte{1, byte(kindWant)}, ErrFrame},
		"want without CID":   {[]byte{2, byte(kindWant), 0}, ErrFrame},
		"ragged list":        {append([]byte{36, byte(kindHave)}, make([]byte, 35)...), ErrFrame},
		"block without CID":  {[]byte{5, byte(kindBlock), 1, 2, 3, 4}, ErrFrame},
		"other codec":        {codec, ErrFrame},
		"cut in the CID":     {one.append(nil)[:20], io.ErrUnexpectedEOF},
		"cut in the length":  {[]byte{0x80}, io.ErrUnexpectedEOF},
		"cut after length":   {[]byte{34}, io.ErrUnexpectedEOF},
		"cut in the block":   {big.append(nil)[:100], io.ErrUnexpectedEOF},
		"between frames":     {nil, io.EOF},
	} {
		if _, err := decodeFrame(newDecoder(bytes.NewReader(tc.in))); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// FuzzFrames: whatever decodes, encodes to the bytes it came from.
func FuzzFrames(f *testing.F) {
	cids := someCIDs(3)
	var all []byte
	for _, fr := range []frame{
		{kindWant, bulk, cids, nil}, {kindCancel, 0, cids[:1], nil}, {kindHave, 0, cids, nil},
		{kindDontHave, 0, cids[1:], nil}, {kindBlock, 0, cids[:1], []byte("data")}, {kindBlock, 0, cids[:1], nil},
	} {
		f.Add(fr.append(nil))
		all = fr.append(all)
	}
	f.Add(all)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		d := newDecoder(bytes.NewReader(in))
		var out []byte
		for {
			fr, err := decodeFrame(d)
			if err != nil {
				known := errors.Is(err, ErrFrame) || errors.Is(err, ErrLimit) ||
					errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
				if !known {
					t.Fatalf("unexpected error: %v", err)
				}
				if err == io.EOF && len(out) != len(in) { // bare: only between frames
					t.Fatalf("EOF after %d of %d bytes", len(out), len(in))
				}
				break
			}
			out = fr.append(out)
		}
		if !bytes.HasPrefix(in, out) {
			t.Fatalf("%x\ndecodes to frames of\n%x", in, out)
		}
	})
}
