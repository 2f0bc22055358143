package exchange

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/weft-mesh/weft/block"
)

// kind is a frame's type byte.
type kind byte

const (
	kindWant     kind = 1
	kindCancel   kind = 2
	kindHave     kind = 3
	kindDontHave kind = 4
	kindBlock    kind = 5
)

func (k kind) String() string {
	switch k {
	case kindWant:
		return "want"
	case kindCancel:
		return "cancel"
	case kindHave:
		return "have"
	case kindDontHave:
		return "dont-have"
	case kindBlock:
		return "block"
	}
	return fmt.Sprintf("type %#02x", byte(k))
}

// order says which wants of a stream are served first: the lower.
type order byte

const (
	urgent order = 0
	bulk   order = 1
)

func appendCID(dst []byte, c block.CID) []byte {
	digest := c.Digest()
	return append(append(dst, byte(c.Codec())), digest[:]...)
}

// appendList appends a want, cancel, have or dont-have frame. cids has 1 to MaxListed CIDs;
// o counts for want only.
func appendList(dst []byte, k kind, o order, cids []block.CID) []byte {
	n := 1 + len(cids)*cidSize
	if k == kindWant {
		n++
	}
	dst = append(binary.AppendUvarint(dst, uint64(n)), byte(k))
	if k == kindWant {
		dst = append(dst, byte(o))
	}
	for _, c := range cids {
		dst = appendCID(dst, c)
	}
	return dst
}

// appendBlockHeader appends a block frame up to the block's bytes, of which there are n.
func appendBlockHeader(dst []byte, c block.CID, n int) []byte {
	dst = binary.AppendUvarint(dst, uint64(1+cidSize+n))
	return appendCID(append(dst, byte(kindBlock)), c)
}

// decoder reads frames: next, then the one of list, block or the body's bytes that fits.
type decoder struct {
	r *bufio.Reader
}

func newDecoder(r io.Reader) *decoder {
	return &decoder{bufio.NewReaderSize(r, readBuffer)}
}

// next reads a frame's header and returns its type and the length of its body, which
// it has checked against the limits. It returns io.EOF only between frames, and ErrFrame
// or ErrLimit for what no peer may send.
func (d *decoder) next() (kind, int, error) {
	length, err := d.uvarint()
	if err != nil {
		return 0, 0, err
	}
	if length == 0 {
		return 0, 0, fmt.Errorf("%w: empty frame", ErrFrame)
	}
	if length > maxFrame {
		return 0, 0, fmt.Errorf("%w: frame of %d bytes, at most %d", ErrLimit, length, maxFrame)
	}
	b, err := d.r.ReadByte()
	if err != nil {
		return 0, 0, unexpected(err)
	}
	k, n := kind(b), int(length)-1
	switch k {
	case kindBlock:
		if n < cidSize {
			return 0, 0, fmt.Errorf("%w: block frame of %d bytes", ErrFrame, length)
		}
		return k, n, nil
	case kindWant:
		n-- // the order byte
	case kindCancel, kindHave, kindDontHave:
	default:
		return 0, 0, fmt.Errorf("%w: %s", ErrFrame, k)
	}
	if n < cidSize || n%cidSize != 0 {
		return 0, 0, fmt.Errorf("%w: %s frame of %d bytes", ErrFrame, k, length)
	}
	if n > MaxListed*cidSize {
		return 0, 0, fmt.Errorf("%w: %s of %d CIDs, at most %d", ErrLimit, k, n/cidSize, MaxListed)
	}
	return k, int(length) - 1, nil
}

// uvarint reads a length in its shortest form. No valid one has more than four bytes.
func (d *decoder) uvarint() (uint64, error) {
	var x uint64
	for i := 0; ; i++ {
		b, err := d.r.ReadByte()
		if err != nil {
			if i > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		if b == 0 && i > 0 {
			return 0, fmt.Errorf("%w: length not in shortest form", ErrFrame)
		}
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return x, nil
		}
		if i == 3 {
			return 0, fmt.Errorf("%w: frame length of more than 4 bytes", ErrLimit)
		}
	}
}

// want reads a want frame's body of n bytes.
func (d *decoder) want(n int) (order, []block.CID, error) {
	b, err := d.r.ReadByte()
	if err != nil {
		return 0, nil, unexpected(err)
	}
	cids, err := d.list(n - 1)
	return order(b), cids, err
}

// list reads a frame's body of n bytes, all CIDs.
func (d *decoder) list(n int) ([]block.CID, error) {
	cids := make([]block.CID, n/cidSize)
	for i := range cids {
		var err error
		if cids[i], err = d.cid(); err != nil {
			return nil, err
		}
	}
	return cids, nil
}

func (d *decoder) cid() (block.CID, error) {
	var b [cidSize]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		return block.CID{}, unexpected(err)
	}
	codec := block.Codec(b[0])
	if codec != block.Raw && codec != block.DagCBOR {
		return block.CID{}, fmt.Errorf("%w: codec %#02x", ErrFrame, b[0])
	}
	return block.FromDigest(codec, [block.DigestSize]byte(b[1:])), nil
}

// bytes fills dst with the next bytes of a block frame.
func (d *decoder) bytes(dst []byte) error {
	_, err := io.ReadFull(d.r, dst)
	return unexpected(err)
}

// unexpected is for ends of stream in the middle of a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
