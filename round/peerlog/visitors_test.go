package peerlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestVisitorsConnectAnew: who is no site gets no new budget of answers by connecting anew, and no more are remembered than a few.
func TestVisitorsConnectAnew(t *testing.T) {
	n := NewNeighbours(time.Second)
	const hungry = peer.ID("hungry")
	n.Connect(hungry)
	if !n.MayAnswer(hungry, answerBurst, 0) {
		t.Fatal("the first answer is not given")
	}
	n.Give(hungry, 7)
	for range 5 {
		n.Disconnect(hungry, false, 0)
		n.Connect(hungry)
		if n.MayAnswer(hungry, answerBurst, 0) || n.Given(hungry) != 7 {
			t.Fatal("connecting anew begins anew")
		}
	}
	n.Connect("site")
	n.Disconnect("site", true, 0)
	for i := range 10 * maxVisitors {
		id := peer.ID(fmt.Sprint("visitor ", i))
		n.Connect(id)
		n.Disconnect(id, false, time.Duration(i))
	}
	if most := maxVisitors + 2; n.Len() > most {
		t.Errorf("%d peers are remembered, want at most %d", n.Len(), most)
	}
	if n.known["site"] == nil || n.known[hungry] == nil {
		t.Error("a site, or who is connected, is forgotten")
	}
}
