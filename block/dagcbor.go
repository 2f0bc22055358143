package block

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// MaxSize is the largest block that weft stores or sends, in bytes.
const MaxSize = 4 << 20

// Limits of one decoded value; a manifest page of a large model stays well below them.
const (
	maxArray = 1 << 17
	maxMap   = 1 << 16
	maxDepth = 16
)

// ErrEncoding is returned for bytes that are not the one DAG-CBOR encoding of the value asked for.
var ErrEncoding = errors.New("not valid DAG-CBOR for this value")

// Block is bytes with the CID they hash to.
type Block struct {
	CID  CID
	Data []byte
}

// New returns data as a block.
func New(codec Codec, data []byte) Block { return Block{Sum(codec, data), data} }

// Verified is a block that was found to be what its CID says, by who made the value: nobody else can make one. It stays so as
// long as its data is not written to.
type Verified struct{ block Block }

// Verify returns ErrMismatch for bytes that are not the CID's.
func (b Block) Verify() (Verified, error) {
	if err := b.CID.Verify(b.Data); err != nil {
		return Verified{}, err
	}
	return Verified{b}, nil
}

// Block returns the block.
func (v Verified) Block() Block { return v.block }

// fxamacker/cbor rather than go-ipld-prime: plain structs with tags instead of schemas and
// node builders, limits on every length, and a fuzzed decoder; both are pure Go.
var (
	encMode = must(cbor.EncOptions{
		Sort:          cbor.SortLengthFirst, // the map order of DAG-CBOR
		ShortestFloat: cbor.ShortestFloatNone,
		NaNConvert:    cbor.NaNConvertReject,
		InfConvert:    cbor.InfConvertReject,
		IndefLength:   cbor.IndefLengthForbidden,
		TagsMd:        cbor.TagsAllowed, // CIDs only: no other type writes a tag
		NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode())
	decMode   = must(decOptions(cbor.ExtraDecErrorUnknownField).DecMode())
	knownMode = must(decOptions(cbor.ExtraDecErrorNone).DecMode())
)

func decOptions(refuse cbor.ExtraDecErrorCond) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsAllowed,
		ExtraReturnErrors: refuse,
		MaxArrayElements:  maxArray,
		MaxMapPairs:       maxMap,
		MaxNestedLevels:   maxDepth,
		UTF8:              cbor.UTF8RejectInvalid,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options
	}
	return v
}

// Encode returns the DAG-CBOR encoding of v: maps sorted, shortest integers, 64-bit floats.
// It panics for a value that has no encoding (NaN, a channel), which is a bug of the caller.
func Encode(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("block: encode %T: %v", v, err))
	}
	return b
}

// Decode reads the DAG-CBOR encoding of a value into v, a pointer. It returns ErrEncoding
// for unknown fields, exceeded limits, and any bytes that Encode would not have written.
func Decode(data []byte, v any) error {
	if len(data) > MaxSize {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrEncoding, len(data), MaxSize)
	}
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil || !bytes.Equal(again, data) {
		return fmt.Errorf("%w: not in canonical form", ErrEncoding)
	}
	return nil
}

// Of returns v encoded, as a block.
func Of(v any) Block { return New(DagCBOR, Encode(v)) }
