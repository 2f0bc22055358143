package gossip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/multiformats/go-varint"
)

// appendFrame appends data as a frame: its length as an unsigned varint in the shortest form
// (multiformats unsigned-varint), then the bytes.
func appendFrame(b, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// readLength reads a frame's length, 1 to limit. It returns io.EOF where the stream ends between
// two frames, ErrFrame for a length that is not allowed.
func readLength(r *bufio.Reader, limit int) (int, error) {
	n, err := varint.ReadUvarint(r)
	switch {
	case errors.Is(err, io.EOF):
		return 0, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, fmt.Errorf("read length: %w", err)
	case errors.Is(err, varint.ErrOverflow) || errors.Is(err, varint.ErrNotMinimal):
		return 0, fmt.Errorf("%w: length: %w", ErrFrame, err)
	case err != nil:
		return 0, fmt.Errorf("read length: %w", err)
	case n == 0 || n > uint64(limit):
		return 0, fmt.Errorf("%w: %d bytes, want 1 to %d", ErrFrame, n, limit)
	}
	return int(n), nil
}

// readBody reads the n bytes of a frame. Memory is taken as the bytes come, not as they are promised.
func readBody(r io.Reader, n int) ([]byte, error) {
	const trusted = 64 << 10
	var b bytes.Buffer
	b.Grow(min(n, trusted))
	got, err := io.CopyN(&b, r, int64(n))
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read %d of %d bytes: %w", got, n, err)
	}
	return b.Bytes(), nil
}
