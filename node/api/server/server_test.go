package server

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// A request that leaves the node's fields open survives JSON.
func TestRunRequestJSON(t *testing.T) {
	for _, want := range []api.RunRequest{
		{Spec: ledger.RunSpec{Name: "x", Rounds: 2, Train: map[string]string{"lr": "1"}}, Init: true},
		{Spec: ledger.RunSpec{Name: "x", By: peer.ID("\x00\x04site")}, Model: "/m"},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got api.RunRequest
		if err := decodeBody(bytes.NewReader(b), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s gives %+v, %v", b, got, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"accept":true}`))
	f.Add([]byte(`{"reason":"enough"}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var c api.Consent
		var s api.Stop
		_ = decodeBody(bytes.NewReader(data), &c)
		_ = decodeBody(bytes.NewReader(data), &s)
	})
}
