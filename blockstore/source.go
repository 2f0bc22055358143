package blockstore

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/weft-mesh/weft/tensor"
)

// source reads the shards of a safetensors file, whatever the order of its tensors.
type source struct {
	file      file
	info      fs.FileInfo // when it was opened
	header    tensor.Header
	cut       *tensor.Cut // of what it becomes
	lies      *tensor.Cut // in the file, into shards of the same elements
	wide      bool        // the two differ
	canonical bool        // as what it becomes
	pieces    []piece
}

// piece is consecutive bytes of the canonical data that are consecutive in the file too.
type piece struct {
	to    uint64 // offset in the canonical data
	from  uint64 // offset in the file
	bytes uint64
}

func newSource(f file, opt ImportOptions) (*source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h, err := tensor.ReadHeader(f, info.Size())
	if err != nil {
		return nil, err
	}
	src := &source{file: f, info: info, header: h, pieces: pieces(h)}
	lies, err := h.Layout()
	if err != nil {
		return nil, err
	}
	becomes := lies
	if opt.Wide {
		if becomes, src.wide = lies.Wide(); src.wide {
			err = becomes.Validate() // larger than what was validated
		}
	}
	if err != nil {
		return nil, err
	}
	if src.cut, err = becomes.Cut(opt.ShardElements); err != nil {
		return nil, err
	}
	src.lies, err = lies.Cut(src.cut.ShardElements())
	src.canonical = h.Canonical() && !src.wide
	return src, err
}

// pieces maps canonical data to the file's: one piece if it is in that order.
func pieces(h tensor.Header) []piece {
	var ps []piece
	var to uint64
	for _, t := range h.ByName() {
		from := h.DataOffset + t.Offset
		if last := len(ps) - 1; last >= 0 && ps[last].from+ps[last].bytes == from {
			ps[last].bytes += t.Bytes()
		} else if t.Bytes() > 0 {
			ps = append(ps, piece{to, from, t.Bytes()})
		}
		to += t.Bytes()
	}
	return ps
}

// shard reads the bytes of shard i, as what the file becomes, into buf.
func (src *source) shard(i int, buf []byte, finite bool) ([]byte, error) {
	s := src.lies.Shard(i)
	buf = sized(buf, s.Bytes)
	at, found := slices.BinarySearchFunc(src.pieces, s.Offset, func(p piece, offset uint64) int { return cmp.Compare(p.to, offset) })
	if !found {
		at-- // the piece that began before
	}
	for done := uint64(0); done < uint64(s.Bytes); at++ {
		p := src.pieces[at]
		skip := s.Offset + done - p.to
		n := min(p.bytes-skip, uint64(s.Bytes)-done)
		if err := readFull(src.file, buf[done:done+n], int64(p.from+skip)); err != nil {
			return buf, fmt.Errorf("shard %d: %w", i, err)
		}
		done += n
	}
	if finite {
		if err := src.lies.CheckFinite(s, buf); err != nil {
			return buf, err
		}
	}
	if src.wide {
		return widened(s, buf), nil
	}
	return buf, nil
}

// widened returns a shard's elements as F32.
func widened(s tensor.Shard, data []byte) []byte {
	wide := make([]byte, 4*s.Elements)
	to := wide
	for _, part := range s.Segments {
		tensor.Widen(to[:4*part.Elements], data[:part.Bytes()], part.DType)
		to, data = to[4*part.Elements:], data[part.Bytes():]
	}
	return wide
}

// unchanged returns ErrChanged if the file was written to since it was opened.
func (src *source) unchanged() error {
	now, err := src.file.Stat()
	if err != nil {
		return err
	}
	if now.Size() != src.info.Size() || !now.ModTime().Equal(src.info.ModTime()) {
		return ErrChanged
	}
	return nil
}
