package gossip

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// TestMoves: a site that has moved changes its address once, or, in its own time, back; two machines change it back and forth.
func TestMoves(t *testing.T) {
	for name, c := range map[string]struct {
		ips   []string
		every time.Duration
		twin  bool
	}{
		"stays":            {[]string{"1", "1", "1", "1"}, time.Second, false},
		"moves":            {[]string{"1", "2", "2"}, time.Second, false},
		"moves twice":      {[]string{"1", "2", "3"}, time.Second, false},
		"two machines":     {[]string{"1", "2", "1"}, time.Second, true},
		"moves back later": {[]string{"1", "2", "1"}, 2 * time.Minute, false},
		"goes on and on":   {[]string{"1", "2", "1", "2", "1"}, 40 * time.Second, true},
		"both versions":    {[]string{"1", "6", "1", "6"}, time.Second, false},
	} {
		m, now := newMoves(), time.Unix(1000, 0)
		for _, ip := range c.ips {
			now = now.Add(c.every)
			at := "/ip4/192.0.2." + ip + "/tcp/4801"
			if ip == "6" {
				at = "/ip6/2001:db8::6/tcp/4801"
			}
			m.note(peer.ID("a"), multiaddr.StringCast(at), now)
		}
		if got := m.twin("a", now); got != c.twin {
			t.Errorf("%s: %v", name, got)
		}
		if m.twin("a", now.Add(twinFor)) {
			t.Errorf("%s: told for ever", name)
		}
	}
}
