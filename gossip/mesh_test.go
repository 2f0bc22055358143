package gossip_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
)

var meshCID = block.Sum(block.DagCBOR, []byte("the mesh of the tests"))

const loopback = "/ip4/127.0.0.1/tcp/0"

// roster is a list of sites that may change.
type roster struct {
	mu    sync.Mutex
	sites []peer.ID
}

func (r *roster) has(p peer.ID) bool { return slices.Contains(r.list(), p) }

func (r *roster) list() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sites)
}

func (r *roster) set(sites ...peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sites = sites
}

// site is one site on loopback; start and stop are those of its process.
type site struct {
	t       testing.TB
	of      block.CID // its mesh
	key     crypto.PrivKey
	id      peer.ID
	roster  *roster
	listen  string
	known   []peer.AddrInfo // addresses known beforehand
	file    string
	degree  int
	handler gossip.Handler

	host *gossip.Host
	mesh *gossip.Mesh
	stop func()
}

func newSite(t testing.TB, r *roster, h gossip.Handler) *site {
	t.Helper()
	key, pub, err := crypto.GenerateEd25519Key(rand.Reader)
	must(t, err)
	id, err := peer.IDFromPublicKey(pub)
	must(t, err)
	return &site{t: t, of: meshCID, key: key, id: id, roster: r, listen: loopback, handler: h}
}

// newSites returns sites that list each other; h may be nil for one that accepts everything.
func newSites(t testing.TB, n int, h gossip.Handler) []*site {
	t.Helper()
	if h == nil {
		h = newInbox().Handler(gossip.Accept)
	}
	r := &roster{}
	var sites []*site
	var ids []peer.ID
	for range n {
		s := newSite(t, r, h)
		sites = append(sites, s)
		ids = append(ids, s.id)
	}
	r.set(ids...)
	return sites
}

func (s *site) listenAt() {
	s.t.Helper()
	var err error
	s.host, err = gossip.NewHost(gossip.HostConfig{
		Key: s.key, Roster: s.roster.has, Agent: "test",
		Listen: []multiaddr.Multiaddr{multiaddr.StringCast(s.listen)},
		Log:    testLog(s.t),
	})
	must(s.t, err)
	s.listen = s.host.Addrs()[0].String() // the same port after a restart
}

func (s *site) start() {
	s.t.Helper()
	s.listenAt()
	var err error
	s.mesh, err = gossip.New(gossip.Config{
		Host: s.host, Mesh: s.of, Sites: s.roster.list, Bootstrap: s.known, AddressFile: s.file,
		Degree: s.degree, Handler: s.handler, Log: testLog(s.t),
	})
	must(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.mesh.Run(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				s.t.Errorf("run: %v", err)
			}
			must(s.t, s.host.Close())
		})
	}
	s.t.Cleanup(s.stop)
}

// info returns how a stranger to s's configuration would dial it.
func (s *site) info() peer.AddrInfo {
	return peer.AddrInfo{ID: s.id, Addrs: s.host.Addrs()}
}

// startAll starts sites that know only the first one's address.
func startAll(sites []*site) {
	sites[0].start()
	for _, s := range sites[1:] {
		s.known = []peer.AddrInfo{sites[0].info()}
		s.start()
	}
}

func meet(t *testing.T, sites []*site) {
	t.Helper()
	n := &testMesh{}
	for _, s := range sites {
		n.Sites = append(n.Sites, s.mesh)
	}
	n.Meet(t)
}

func peerInfo(s *site, p peer.ID) gossip.PeerInfo {
	for _, i := range s.mesh.Peers() {
		if i.ID == p {
			return i
		}
	}
	return gossip.PeerInfo{}
}

func TestConformance(t *testing.T) {
	for _, listen := range []string{loopback, "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			testSuite(t, func(t *testing.T, handlers ...gossip.Handler) *testMesh {
				sites := newSites(t, len(handlers), nil)
				n := &testMesh{
					Cut: func(i, j int) {
						sites[i].mesh.Cut(sites[j].id)
						sites[j].mesh.Cut(sites[i].id)
					},
					Mend: func(i, j int) {
						sites[i].mesh.Mend(sites[j].id)
						sites[j].mesh.Mend(sites[i].id)
					},
				}
				for i, s := range sites {
					s.handler, s.listen = handlers[i], listen
				}
				startAll(sites)
				for _, s := range sites {
					n.Sites = append(n.Sites, s.mesh)
				}
				return n
			})
		})
	}
}

func TestSitesFindEachOtherThroughTheFirst(t *testing.T) {
	sites := newSites(t, 4, nil)
	startAll(sites)
	meet(t, sites)
	for _, s := range sites {
		for _, i := range s.mesh.Peers() {
			if len(i.Addrs) == 0 {
				t.Errorf("%s has no address of %s", s.id, i.ID)
			}
			eventually(t, "a round trip", func() bool { return peerInfo(s, i.ID).RTT > 0 })
		}
	}
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLog shows the log of a failed test or with -v.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
