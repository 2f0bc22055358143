// Package blocktest shows blocks to the people who read test data.
package blocktest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
)

// JSON returns a DAG-CBOR block as indented DAG-JSON (https://ipld.io/specs/codecs/dag-json/spec/):
// a link is {"/": "bafy..."}, bytes are {"/": {"bytes": base64}}.
func JSON(data []byte) ([]byte, error) {
	anyMode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode()
	if err != nil {
		return nil, err
	}
	var v any
	if err := anyMode.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	v, err = dagJSON(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func dagJSON(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			y, err := dagJSON(x)
			if err != nil {
				return nil, err
			}
			v[k] = y
		}
	case []any:
		for i, x := range v {
			y, err := dagJSON(x)
			if err != nil {
				return nil, err
			}
			v[i] = y
		}
	case []byte:
		return map[string]any{"/": map[string]any{"bytes": base64.RawStdEncoding.EncodeToString(v)}}, nil
	case cbor.Tag:
		b, ok := v.Content.([]byte)
		if v.Number != 42 || !ok || len(b) == 0 {
			return nil, fmt.Errorf("%w: tag %d", block.ErrEncoding, v.Number)
		}
		c, err := block.FromBytes(b[1:])
		if err != nil {
			return nil, err
		}
		return map[string]any{"/": c.String()}, nil
	}
	return v, nil
}
