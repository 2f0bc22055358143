package block

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// older and newer are one type before and after two versions.
type older struct {
	Name  string             `cbor:"name"`
	Inner *olderInner        `cbor:"inner,omitempty"`
	List  []olderInner       `cbor:"list"`
	Link  CID                `cbor:"link"`
	Map   map[string]float64 `cbor:"Map"`
}

type olderInner struct {
	A uint64 `cbor:"a"`
	Z string `cbor:"z,omitempty"`
}

type newer struct {
	Name  string             `cbor:"name"`
	Inner *newerInner        `cbor:"inner,omitempty"`
	List  []newerInner       `cbor:"list"`
	Link  CID                `cbor:"link"`
	Map   map[string]float64 `cbor:"Map"`
	Extra []any              `cbor:"extra,omitempty"`
}

type newerInner struct {
	A  uint64         `cbor:"a"`
	BB map[string]any `cbor:"bb,omitempty"`
	Z  string         `cbor:"z,omitempty"`
}

// olderFields are the names that older and olderInner have, for the slow reference.
var olderFields = map[string]any{"name": nil, "inner": olderInnerFields, "list": olderInnerFields, "link": nil, "Map": nil}

var olderInnerFields = map[string]any{"a": nil, "z": nil}

func newerValue() newer {
	return newer{
		Name: "n", Link: Sum(Raw, nil), Map: map[string]float64{"x": -1.5},
		Inner: &newerInner{A: 1, BB: map[string]any{"k": Sum(DagCBOR, nil), "n": -70000}},
		List:  []newerInner{{A: 300}, {A: 2, Z: "z", BB: map[string]any{"": nil}}},
		Extra: []any{true, false, nil, uint64(1 << 40), []byte{1}, "text", 0.5},
	}
}

func TestDecodeKnown(t *testing.T) {
	v := newerValue()
	var o older
	unknown, err := DecodeKnown(Encode(v), &o)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"list.bb", "extra", "inner.bb"}; !slices.Equal(unknown, want) {
		t.Errorf("unknown %q, want %q", unknown, want)
	}
	if o.Name != v.Name || o.Link != v.Link || o.Inner.A != 1 || len(o.List) != 2 || o.List[1].Z != "z" || o.Map["x"] != -1.5 {
		t.Errorf("read %+v", o)
	}
	v = newer{Name: "n", Link: v.Link, List: []newerInner{}, Map: map[string]float64{}}
	if unknown, err := DecodeKnown(Encode(v), &older{}); err != nil || len(unknown) > 0 {
		t.Errorf("nothing is unknown: %q, %v", unknown, err)
	}
}

func TestDecodeKnownIsStrict(t *testing.T) {
	good := map[string]any{"name": "n", "list": []any{}, "link": Sum(Raw, nil), "Map": map[string]any{}, "new": 1}
	if _, err := DecodeKnown(Encode(good), &older{}); err != nil {
		t.Fatal(err)
	}
	with := func(key string, v any) []byte {
		m := map[string]any{}
		for k, x := range good {
			m[k] = x
		}
		if m[key] = v; v == "missing" {
			delete(m, key)
		}
		return Encode(m)
	}
	raw := func(b ...byte) []byte { // the bytes of a field that no encoder would write
		return bytes.Replace(with("new", "@"), []byte("\x61@"), b, 1)
	}
	for name, bad := range map[string][]byte{
		"missing field":         with("name", "missing"),
		"null list":             with("list", nil),
		"omitted if empty":      with("inner", nil),
		"empty inner field":     with("list", []any{map[string]any{"a": 1, "z": ""}}),
		"missing inner field":   with("list", []any{map[string]any{"b": 1}}),
		"wrong type":            with("name", 1),
		"long integer":          raw(0x18, 1),
		"long length":           raw(0x78, 1, 'a'),
		"indefinite list":       raw(0x9f, 0xff),
		"half float":            raw(0xf9, 0x3c, 0),
		"NaN":                   raw(0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
		"infinite":              raw(0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0),
		"undefined":             raw(0xf7),
		"simple value":          raw(0xf0),
		"other tag":             raw(0xc1, 1),
		"link that is no CID":   raw(0xd8, 42, 0x41, 0),
		"integer key":           raw(0xa1, 1, 1),
		"keys out of order":     raw(0xa2, 0x61, 'b', 1, 0x61, 'a', 1),
		"keys out of length":    raw(0xa2, 0x62, 'a', 'a', 1, 0x61, 'b', 1),
		"key twice":             raw(0xa2, 0x61, 'a', 1, 0x61, 'a', 1),
		"no UTF-8":              raw(0x61, 0xff),
		"too deep":              raw(bytes.Repeat([]byte{0x81}, 20)...),
		"trailing":              append(with("new", 1), 0),
		"truncated":             with("new", 1)[:20],
		"surplus in own reader": with("link", map[string]any{"a": 1}),
	} {
		if _, err := DecodeKnown(bad, &older{}); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// slowly is what Canonical and DecodeKnown must agree with: it decodes without knowing the type, takes out what older has not,
// and leaves the rest to Decode.
func slowly(data []byte) (unknown int, err error) {
	tree, err := slowTree(data)
	if err != nil {
		return 0, err
	}
	unknown = prune(tree, olderFields)
	var o older
	return unknown, Decode(Encode(tree), &o)
}

func slowTree(data []byte) (tree any, err error) {
	mode := must(cbor.DecOptions{
		DefaultMapType: reflect.TypeFor[map[string]any](), DupMapKey: cbor.DupMapKeyEnforcedAPF, UTF8: cbor.UTF8RejectInvalid,
		NaN: cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden, IndefLength: cbor.IndefLengthForbidden,
		MaxArrayElements: maxArray, MaxMapPairs: maxMap, MaxNestedLevels: maxDepth,
	}.DecMode())
	if err := mode.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	if again, err := encMode.Marshal(tree); err != nil || !bytes.Equal(again, data) || !isDAG(tree) {
		return nil, ErrEncoding
	}
	return tree, nil
}

func isDAG(v any) bool {
	switch v := v.(type) {
	case nil, bool, uint64, int64, float64, string, []byte:
		return true
	case big.Int:
		if v.Sign() < 0 {
			v.Not(&v) // as it is written: -1-v
		}
		return v.BitLen() <= 64
	case cbor.Tag:
		b, ok := v.Content.([]byte)
		return ok && v.Number == linkTag && len(b) > 1 && b[0] == 0
	case []any:
		return !slices.ContainsFunc(v, func(x any) bool { return !isDAG(x) })
	case map[string]any:
		for _, x := range v {
			if !isDAG(x) {
				return false
			}
		}
		return true
	}
	return false
}

// prune takes out of a tree what is no field, and counts it.
func prune(tree any, fields map[string]any) (n int) {
	switch v := tree.(type) {
	case []any:
		for _, x := range v {
			n += prune(x, fields)
		}
	case map[string]any:
		for k, x := range v {
			if inner, ok := fields[k]; !ok {
				delete(v, k)
				n++
			} else if inner != nil {
				n += prune(x, inner.(map[string]any))
			}
		}
	}
	return n
}

func FuzzDecodeKnown(f *testing.F) {
	v := newerValue()
	f.Add(Encode(v))
	v.Inner, v.Extra = nil, nil
	f.Add(Encode(v))
	f.Add(Encode(map[string]any{"name": "n", "list": []any{}, "link": Sum(Raw, nil), "Map": map[string]any{}, "z": []any{-1, uint64(1 << 63)}}))
	f.Add([]byte{0xa1, 0x61, 'x', 0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, slow := slowTree(data)
		if fast := Canonical(data); (fast == nil) != (slow == nil) {
			t.Fatalf("%x: canonical %v, slowly %v", data, fast, slow)
		}
		var o older
		unknown, err := DecodeKnown(data, &o)
		n, slow := slowly(data)
		if (err == nil) != (slow == nil) || err == nil && n != len(unknown) {
			t.Fatalf("%x: unknown %q, %v; slowly %d, %v", data, unknown, err, n, slow)
		}
		if strict := Decode(data, &older{}); (strict == nil) != (err == nil && len(unknown) == 0) {
			t.Fatalf("%x: strictly %v, but %q is unknown, %v", data, strict, unknown, err)
		}
	})
}
