package blocktest

import (
	"encoding/json"
	"testing"

	"github.com/weft-mesh/weft/block"
)

func TestJSON(t *testing.T) {
	link := block.Sum(block.Raw, []byte("x"))
	got, err := JSON(block.Encode(map[string]any{"link": link, "bytes": []byte{1, 2}, "n": uint64(7), "list": []any{"a", nil}}))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Link  map[string]string            `json:"link"`
		Bytes map[string]map[string]string `json:"bytes"`
		N     uint64                       `json:"n"`
		List  []any                        `json:"list"`
	}
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatal(err)
	}
	if v.Link["/"] != link.String() || v.Bytes["/"]["bytes"] != "AQI" || v.N != 7 || len(v.List) != 2 {
		t.Errorf("%s", got)
	}
}
