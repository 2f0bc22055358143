package api_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A client links none of the network, nor does who reads an archive: peer IDs and addresses are all they have of libp2p.
func TestClientLinksNoNetwork(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".", "../archive").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		if strings.HasPrefix(pkg, "github.com/weft-mesh/weft/") {
			seen++
		}
		for _, network := range []string{
			"github.com/libp2p/go-libp2p/core/host", "github.com/libp2p/go-libp2p/core/network", "github.com/libp2p/go-libp2p/p2p/",
			"github.com/libp2p/go-libp2p-pubsub", "github.com/weft-mesh/weft/gossip", "github.com/weft-mesh/weft/exchange",
		} {
			if strings.HasPrefix(pkg, network) {
				t.Errorf("a client or an archive links %s", pkg)
			}
		}
	}
	if seen < 3 {
		t.Fatalf("%d packages of weft: the list is not what it was", seen)
	}
}
