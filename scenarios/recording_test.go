package scenarios

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/trace"
)

// TestLineJSON: a line says whose it is and whom it is about.
func TestLineJSON(t *testing.T) {
	about, err := peer.Decode("12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Line{
		{At: time.Second, Site: 3, Event: trace.Held{Subject: trace.In(block.Of("run").CID, 2).Of(about), Update: block.Of("x").CID}},
		{At: time.Minute, Site: -1, Event: trace.Fault{Trouble: trace.Trouble{Fault: "crash", Sites: []peer.ID{about}, For: time.Hour}}},
	} {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back Line
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(l, back) {
			t.Errorf("%s comes back as %+v, %v", b, back, err)
		}
	}
}
