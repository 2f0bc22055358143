package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/multiformats/go-varint"

	"github.com/weft-mesh/weft/block"
)

const (
	maxCARHeader = 1 << 20 // bytes
	maxCARBlocks = 1 << 24 // blocks: 8 million heights
)

// A CAR file (Content Addressable aRchive, version 1, https://ipld.io/specs/transport/car/carv1/)
// is a header that names roots, and blocks: here a mesh's genesis, its entries and their
// certificates below an index of them, or a model. Any IPFS tool reads it.

const cidLength = 4 + block.DigestSize // version, codec, multihash code, multihash length: one byte each

type carHeader struct {
	Roots   []block.CID `cbor:"roots"`
	Version uint64      `cbor:"version"`
}

// WriteCAR writes blocks as a CAR file.
func WriteCAR(w io.Writer, roots []block.CID, blocks iter.Seq2[block.Block, error]) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	section := func(parts ...[]byte) {
		n := 0
		for _, p := range parts {
			n += len(p)
		}
		for _, p := range append([][]byte{binary.AppendUvarint(nil, uint64(n))}, parts...) {
			_, _ = buf.Write(p) // Flush returns the first error
		}
	}
	section(block.Encode(carHeader{roots, 1}))
	for b, err := range blocks {
		if err != nil {
			return err
		}
		section(b.CID.Bytes(), b.Data)
	}
	return buf.Flush()
}

// ReadCAR returns the roots of a CAR file and its blocks, each verified against its CID as it is
// read. Errors are ErrCAR, or those of r.
func ReadCAR(r io.Reader) (roots []block.CID, blocks iter.Seq2[block.Block, error], err error) {
	buf := bufio.NewReaderSize(r, 1<<16)
	data, err := carSection(buf, maxCARHeader)
	if errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%w: it is empty", ErrCAR)
	}
	if err != nil {
		return nil, nil, err
	}
	var h carHeader
	if err := block.Decode(data, &h); err != nil {
		return nil, nil, fmt.Errorf("%w: header: %w", ErrCAR, err)
	}
	if h.Version != 1 {
		return nil, nil, fmt.Errorf("%w: version %d, want 1", ErrCAR, h.Version)
	}
	return h.Roots, func(yield func(block.Block, error) bool) {
		for range maxCARBlocks {
			b, err := carBlock(buf)
			if errors.Is(err, io.EOF) || !yield(b, err) || err != nil {
				return
			}
		}
		yield(block.Block{}, fmt.Errorf("%w: more than %d blocks", ErrCAR, maxCARBlocks))
	}, nil
}

// carBlock reads a block; io.EOF means that there are no more.
func carBlock(r *bufio.Reader) (block.Block, error) {
	data, err := carSection(r, cidLength+block.MaxSize)
	if err != nil {
		return block.Block{}, err
	}
	if len(data) < cidLength {
		return block.Block{}, fmt.Errorf("%w: a section of %d bytes", ErrCAR, len(data))
	}
	c, err := block.FromBytes(data[:cidLength])
	if err != nil {
		return block.Block{}, fmt.Errorf("%w: %w", ErrCAR, err)
	}
	b := block.Block{CID: c, Data: data[cidLength:]}
	if err := c.Verify(b.Data); err != nil {
		return block.Block{}, fmt.Errorf("%w: %w", ErrCAR, err)
	}
	return b, nil
}

// carSection reads a length and as many bytes; io.EOF means that the file ended before it.
func carSection(r *bufio.Reader, limit uint64) ([]byte, error) {
	n, err := varint.ReadUvarint(r)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("%w: length of a section: %w", ErrCAR, err)
	case n == 0 || n > limit:
		return nil, fmt.Errorf("%w: a section of %d bytes, 1 to %d", ErrCAR, n, limit)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w: it ends within a section: %w", ErrCAR, noEOF(err))
	}
	return data, nil
}

// noEOF keeps an early end from being taken for the end of the file.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
