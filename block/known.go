package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// The major types of CBOR, RFC 8949 section 3.1.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// What DAG-CBOR leaves of major type 7.
const (
	simpleFalse = 0xf4
	simpleTrue  = 0xf5
	simpleNull  = 0xf6
	float64Head = 0xfb
)

// linkTag is the number of DAG-CBOR's only tag.
const linkTag = 42

// DecodeKnown reads the DAG-CBOR encoding of a value that may have fields which v's type does not know, because a later
// version added them. It returns their names, with dots from the outermost field on. Otherwise it is as strict as [Decode]:
// a field that v's type knows is there, or left out, as Encode would have it.
func DecodeKnown(data []byte, v any) (unknown []string, err error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrEncoding, len(data), MaxSize)
	}
	if err := knownMode.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	again, err := encMode.Marshal(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: not in canonical form", ErrEncoding)
	case bytes.Equal(again, data): // nothing is unknown, as almost always
		return nil, nil
	}
	if err := Canonical(data); err != nil {
		return nil, err
	}
	s := surplus{item(data), item(again), nil}
	if err := s.compare(reflect.TypeOf(v), ""); err != nil {
		return nil, err
	}
	return s.unknown, nil
}

// Canonical says whether data is one value in the form that DAG-CBOR prescribes, whatever the value is.
func Canonical(data []byte) error {
	rest := item(data)
	if err := rest.check(maxDepth); err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes after the end", ErrEncoding, len(rest))
	}
	return nil
}

// item is bytes that begin with a CBOR item. Reading takes it off the front.
type item []byte

// head reads an item's first bytes: its major type and its argument, which must be written as short as can be.
func (b *item) head() (major byte, arg uint64, err error) {
	if len(*b) == 0 {
		return 0, 0, fmt.Errorf("%w: cut short", ErrEncoding)
	}
	first := (*b)[0]
	major, info := first>>5, first&31
	size, least := 0, uint64(0)
	switch info {
	case 24:
		size, least = 1, 24
	case 25:
		size, least = 2, 1<<8
	case 26:
		size, least = 4, 1<<16
	case 27:
		size, least = 8, 1<<32
	case 28, 29, 30, 31:
		return 0, 0, fmt.Errorf("%w: byte %#x begins no item of a definite length", ErrEncoding, first)
	default:
		*b = (*b)[1:]
		return major, uint64(info), nil
	}
	if len(*b) < 1+size {
		return 0, 0, fmt.Errorf("%w: cut short", ErrEncoding)
	}
	var wide [8]byte
	copy(wide[8-size:], (*b)[1:1+size])
	arg = binary.BigEndian.Uint64(wide[:])
	if major != majorSimple && arg < least {
		return 0, 0, fmt.Errorf("%w: %d is not written as short as can be", ErrEncoding, arg)
	}
	*b = (*b)[1+size:]
	return major, arg, nil
}

// take reads n bytes.
func (b *item) take(n uint64) ([]byte, error) {
	if n > uint64(len(*b)) {
		return nil, fmt.Errorf("%w: cut short", ErrEncoding)
	}
	taken := (*b)[:n]
	*b = (*b)[n:]
	return taken, nil
}

// check reads one item and says whether its form is DAG-CBOR's.
func (b *item) check(depth int) error {
	if depth < 0 {
		return fmt.Errorf("%w: nested too deep", ErrEncoding)
	}
	first := *b
	major, arg, err := b.head()
	if err != nil {
		return err
	}
	switch major {
	case majorBytes:
		_, err = b.take(arg)
	case majorText:
		_, err = b.text(arg)
	case majorArray:
		err = b.checkArray(arg, depth-1)
	case majorMap:
		err = b.checkMap(arg, depth-1)
	case majorTag:
		err = b.checkLink(arg)
	case majorSimple:
		err = checkSimple(first[0], arg)
	}
	return err
}

func (b *item) text(n uint64) ([]byte, error) {
	s, err := b.take(n)
	if err == nil && !utf8.Valid(s) {
		err = fmt.Errorf("%w: text that is not UTF-8", ErrEncoding)
	}
	return s, err
}

func (b *item) checkArray(n uint64, depth int) error {
	if n > maxArray {
		return fmt.Errorf("%w: a list of %d, at most %d", ErrEncoding, n, maxArray)
	}
	for range n {
		if err := b.check(depth); err != nil {
			return err
		}
	}
	return nil
}

func (b *item) checkMap(n uint64, depth int) error {
	if n > maxMap {
		return fmt.Errorf("%w: a map of %d, at most %d", ErrEncoding, n, maxMap)
	}
	var last []byte
	for i := range n {
		key, err := b.key()
		if err != nil {
			return err
		}
		if i > 0 && compareKeys(last, key) >= 0 {
			return fmt.Errorf("%w: keys %.40q and %.40q are out of order", ErrEncoding, last, key)
		}
		last = key
		if err := b.check(depth); err != nil {
			return err
		}
	}
	return nil
}

// key reads a map's key.
func (b *item) key() ([]byte, error) {
	major, n, err := b.head()
	if err != nil {
		return nil, err
	}
	if major != majorText {
		return nil, fmt.Errorf("%w: a key that is no text", ErrEncoding)
	}
	return b.text(n)
}

// compareKeys orders the keys of a map: by length, then by bytes.
func compareKeys(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// checkLink reads what a tag is on: the bytes of a CID after a zero byte. The CID may be one that this version has no use for.
func (b *item) checkLink(tag uint64) error {
	if tag != linkTag {
		return fmt.Errorf("%w: tag %d", ErrEncoding, tag)
	}
	major, n, err := b.head()
	if err != nil {
		return err
	}
	link, err := b.take(n)
	if err != nil {
		return err
	}
	if major != majorBytes || len(link) < 2 || link[0] != 0 {
		return fmt.Errorf("%w: a link that is no CID", ErrEncoding)
	}
	return nil
}

func checkSimple(first byte, arg uint64) error {
	switch first {
	case simpleFalse, simpleTrue, simpleNull:
		return nil
	case float64Head:
		if f := math.Float64frombits(arg); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return nil
		}
	}
	return fmt.Errorf("%w: byte %#x begins no value of DAG-CBOR", ErrEncoding, first)
}

// surplus compares an encoding with that of the value which was read from it. Both are canonical.
type surplus struct {
	theirs, ours item
	unknown      []string
}

// compare reads one item of both. In maps theirs may have more than ours, if it is no field of t.
func (s *surplus) compare(t reflect.Type, path string) error {
	theirs, ours := s.theirs, s.ours
	major, n, err := s.theirs.head()
	if err != nil {
		return err
	}
	other, m, err := s.ours.head()
	if err != nil {
		return err
	}
	switch {
	case major == majorMap && other == majorMap:
		return s.compareMaps(n, m, t, path)
	case major == majorArray && other == majorArray && n == m:
		for range n {
			if err := s.compare(elem(t), path); err != nil {
				return err
			}
		}
		return nil
	}
	a, err := theirs.skip()
	if err != nil {
		return err
	}
	b, err := ours.skip()
	if err != nil {
		return err
	}
	s.theirs, s.ours = theirs, ours
	if !bytes.Equal(a, b) {
		return fmt.Errorf("%w: %s is not as it is written", ErrEncoding, strings.TrimPrefix(path, "."))
	}
	return nil
}

func (s *surplus) compareMaps(theirs, ours uint64, t reflect.Type, path string) error {
	for ; theirs > 0; theirs-- {
		key, err := s.theirs.key()
		if err != nil {
			return err
		}
		before, field := s.ours, path+"."+string(key)
		of, known := fieldType(t, string(key))
		if ours > 0 {
			next, err := s.ours.key()
			if err != nil {
				return err
			}
			if bytes.Equal(next, key) {
				ours--
				if err := s.compare(of, field); err != nil {
					return err
				}
				continue
			}
			s.ours = before
		}
		if known {
			return fmt.Errorf("%w: %s is not as it is written", ErrEncoding, strings.TrimPrefix(field, "."))
		}
		if _, err := s.theirs.skip(); err != nil {
			return err
		}
		s.unknown = append(s.unknown, strings.TrimPrefix(field, "."))
	}
	if ours > 0 {
		return fmt.Errorf("%w: fields are missing", ErrEncoding)
	}
	return nil
}

// skip reads one item and returns its bytes.
func (b *item) skip() ([]byte, error) {
	all := *b
	if err := b.check(maxDepth); err != nil {
		return nil, err
	}
	return all[:len(all)-len(*b)], nil
}

var unmarshaler = reflect.TypeFor[cbor.Unmarshaler]()

// under follows pointers; it returns nil for a type that reads itself, all of whose fields are its own affair.
func under(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	return t
}

// elem returns the type of a list's elements, if t says it.
func elem(t reflect.Type) reflect.Type {
	if t = under(t); t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		return t.Elem()
	}
	return nil
}

// fieldType returns the type of a map's value, if t says it, and whether the key is one that t knows.
func fieldType(t reflect.Type, key string) (of reflect.Type, known bool) {
	t = under(t)
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true
	}
	fields := reflect.VisibleFields(t)
	i := slices.IndexFunc(fields, func(f reflect.StructField) bool {
		name, _, _ := strings.Cut(f.Tag.Get("cbor"), ",")
		return f.IsExported() && name == key
	})
	if i < 0 {
		return nil, false
	}
	return fields[i].Type, true
}
