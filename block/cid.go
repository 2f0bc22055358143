package block

import (
	"encoding"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/zeebo/blake3"
)

// Codec says how a block's bytes are read: a multicodec code.
type Codec uint64

const (
	Raw     Codec = cid.Raw
	DagCBOR Codec = cid.DagCBOR
)

// DigestSize is the length of a BLAKE3-256 digest in bytes.
const DigestSize = 32

var (
	// ErrCID is returned for text or bytes that are not a CID of weft: CIDv1,
	// codec raw or dag-cbor, multihash BLAKE3-256.
	ErrCID = errors.New("not a CID that weft uses (CIDv1, raw or dag-cbor, BLAKE3-256)")
	// ErrMismatch is returned for bytes that do not hash to the CID they came with.
	ErrMismatch = errors.New("block does not match its CID")
)

// CID is a block's name. It is comparable, so it serves as a map key and with ==.
// The zero CID names nothing.
type CID struct {
	codec  Codec
	digest [DigestSize]byte
}

var (
	_ encoding.TextMarshaler   = CID{}
	_ encoding.TextUnmarshaler = (*CID)(nil)
	_ cbor.Marshaler           = CID{}
	_ cbor.Unmarshaler         = (*CID)(nil)
)

// Sum returns the CID of data read with codec.
func Sum(codec Codec, data []byte) CID {
	return CID{codec, blake3.Sum256(data)}
}

// FromDigest returns the CID of a block whose BLAKE3-256 digest was computed elsewhere,
// for instance while its bytes streamed past.
func FromDigest(codec Codec, digest [DigestSize]byte) CID { return CID{codec, digest} }

// Codec returns how the named block is read.
func (c CID) Codec() Codec { return c.codec }

// Digest returns the BLAKE3-256 digest of the named block.
func (c CID) Digest() [DigestSize]byte { return c.digest }

// Defined reports whether c names a block.
func (c CID) Defined() bool { return c.codec != 0 }

// Verify returns ErrMismatch unless data is the block that c names.
func (c CID) Verify(data []byte) error {
	if blake3.Sum256(data) != c.digest {
		return fmt.Errorf("%w: %s", ErrMismatch, c)
	}
	return nil
}

// Compare orders CIDs by digest, then codec; it returns -1, 0 or +1.
func (c CID) Compare(d CID) int {
	for i := range c.digest {
		if c.digest[i] != d.digest[i] {
			if c.digest[i] < d.digest[i] {
				return -1
			}
			return 1
		}
	}
	switch {
	case c.codec < d.codec:
		return -1
	case c.codec > d.codec:
		return 1
	}
	return 0
}

// binaryLen is the length of a binary CID: version, codec, multihash code and length, each in one byte, digest.
const binaryLen = 4 + DigestSize

// Bytes returns the binary CID: version, codec, multihash; nil for the zero CID.
func (c CID) Bytes() []byte {
	if !c.Defined() {
		return nil
	}
	return c.AppendBytes(make([]byte, 0, binaryLen))
}

// AppendBytes appends the binary CID to b; nothing for the zero CID.
func (c CID) AppendBytes(b []byte) []byte {
	if !c.Defined() {
		return b
	}
	b = append(b, 1, byte(c.codec), multihash.BLAKE3, DigestSize)
	return append(b, c.digest[:]...)
}

// FromBytes reads a binary CID.
func FromBytes(b []byte) (CID, error) {
	if len(b) != binaryLen || b[0] != 1 || b[2] != multihash.BLAKE3 || b[3] != DigestSize {
		return CID{}, ErrCID
	}
	codec := Codec(b[1])
	if codec != Raw && codec != DagCBOR {
		return CID{}, ErrCID
	}
	return CID{codec, [DigestSize]byte(b[4:])}, nil
}

// String returns the CID in base32 (bafk... for raw, bafy... for dag-cbor), or "-" for the zero CID.
func (c CID) String() string {
	if !c.Defined() {
		return "-"
	}
	p, err := cid.Cast(c.Bytes())
	if err != nil {
		panic(err) // Bytes made it
	}
	return p.String()
}

// Short returns the last eight characters of the CID, enough for a person to tell CIDs apart.
func (c CID) Short() string {
	s := c.String()
	return s[max(0, len(s)-8):]
}

// Parse reads a CID in any multibase.
func Parse(s string) (CID, error) {
	p, err := cid.Decode(s)
	if err != nil {
		return CID{}, fmt.Errorf("%w: %q", ErrCID, s)
	}
	// The last character has bits to spare, which must be what they are when it is written: one CID has one text.
	base, err := cid.ExtractEncoding(s)
	if err != nil {
		return CID{}, fmt.Errorf("%w: %q", ErrCID, s)
	}
	if again, err := p.StringOfBase(base); err != nil || again != s {
		return CID{}, fmt.Errorf("%w: %q: it is mistyped, or not written as CIDs are", ErrCID, s)
	}
	return fromIPFS(p)
}

func fromIPFS(p cid.Cid) (CID, error) {
	d, err := multihash.Decode(p.Hash())
	if err != nil || d.Code != multihash.BLAKE3 || d.Length != DigestSize || p.Version() != 1 {
		return CID{}, ErrCID
	}
	codec := Codec(p.Type())
	if codec != Raw && codec != DagCBOR {
		return CID{}, ErrCID
	}
	return CID{codec, [DigestSize]byte(d.Digest)}, nil
}

// MarshalText writes the CID as String does; the zero CID is the empty text.
func (c CID) MarshalText() ([]byte, error) {
	if !c.Defined() {
		return nil, nil
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (c *CID) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*c = CID{}
		return nil
	}
	*c, err = Parse(string(b))
	return err
}

// MarshalCBOR writes the CID as an IPLD link: tag 42 on the binary CID after a zero byte.
// The zero CID is null.
func (c CID) MarshalCBOR() ([]byte, error) {
	if !c.Defined() {
		return []byte{0xf6}, nil
	}
	b := append(make([]byte, 0, 5+binaryLen), 0xd8, 42, 0x58, binaryLen+1, 0)
	return c.AppendBytes(b), nil
}

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (c *CID) UnmarshalCBOR(b []byte) (err error) {
	if len(b) == 1 && b[0] == 0xf6 {
		*c = CID{}
		return nil
	}
	if len(b) < 5 || b[0] != 0xd8 || b[1] != 42 || b[2] != 0x58 || int(b[3]) != len(b)-4 || b[4] != 0 {
		return ErrCID
	}
	*c, err = FromBytes(b[5:])
	return err
}
