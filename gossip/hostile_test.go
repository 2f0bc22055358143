package gossip_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"

	"github.com/weft-mesh/weft/gossip"
)

func TestStrangerIsKeptOut(t *testing.T) {
	for _, listen := range []string{loopback, "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			sites := newSites(t, 1, nil)
			in := sites[0]
			in.listen = listen
			in.start()
			stranger := newSite(t, &roster{}, nil)
			stranger.roster.set(in.id, stranger.id) // it believes to belong
			stranger.listen = listen
			stranger.listenAt()
			t.Cleanup(func() { must(t, stranger.host.Close()) })

			// It cannot connect: whatever its side believes for a moment, nothing is answered.
			_ = stranger.host.Connect(t.Context(), in.info())
			if s, err := stranger.host.NewStream(t.Context(), in.id, "/ipfs/ping/1.0.0"); err == nil {
				_, _ = s.Write(make([]byte, 32))
				if n, err := s.Read(make([]byte, 1)); err == nil {
					t.Errorf("the stranger's ping is answered with %d bytes", n)
				}
			}
			// Nor is it dialed.
			if err := in.host.Connect(t.Context(), stranger.info()); err == nil {
				t.Error("the stranger is dialed")
			}
			if conns := in.host.Network().ConnsToPeer(stranger.id); len(conns) != 0 {
				t.Errorf("connected with the stranger: %v", conns)
			}
			if len(in.mesh.Peers()) != 0 {
				t.Error("the stranger is a peer")
			}
		})
	}
}

// evil is a site of the roster that does not run this package.
func evil(t *testing.T, good *site) *gossip.Host {
	t.Helper()
	e := newSite(t, good.roster, nil)
	good.roster.set(good.id, e.id)
	e.listenAt()
	t.Cleanup(func() { must(t, e.host.Close()) })
	must(t, e.host.Connect(t.Context(), good.info()))
	return e.host
}

// write opens a stream, writes the bytes and returns once the other side has ended the stream.
func write(t *testing.T, h *gossip.Host, to peer.ID, id protocol.ID, data []byte) {
	t.Helper()
	s, err := h.NewStream(context.Background(), to, id)
	must(t, err)
	_, _ = s.Write(data)
	_, _ = s.Read(make([]byte, 1))
	_ = s.Reset()
}

// What is not of the protocols is refused, and who sent it is named.
func TestGarbageIsRefusedAndNamed(t *testing.T) {
	in := newInbox()
	good := newSites(t, 1, in.Handler(gossip.Accept))[0]
	good.start()
	direct := protocol.ID(good.mesh.DirectProtocol())
	huge := binary.AppendUvarint(nil, gossip.MaxMessage+1)
	hello := append(binary.AppendUvarint(nil, 5), "hello"...)
	_, unsigned, err := crypto.GenerateEd25519Key(rand.Reader)
	must(t, err)
	other, err := peer.IDFromPublicKey(unsigned)
	must(t, err)
	for _, c := range []struct {
		name  string
		proto protocol.ID
		data  []byte
	}{
		{"oversize message", direct, huge},
		{"empty message", direct, []byte{0}},
		{"garbage after a good message", direct, append(slices.Clone(hello), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"garbage record", "/weft/peers/1", hello},
		{"oversize record", "/weft/peers/1", huge},
		{"record of another", "/weft/peers/1", forge(t, other)},
	} {
		t.Run(c.name, func(t *testing.T) {
			good.roster.set(good.id) // another culprit each time, so that none is banned
			good.mesh.RosterChanged()
			h := evil(t, good)
			write(t, h, good.id, c.proto, c.data)
			eventually(t, "a reject", func() bool { return peerInfo(good, h.ID()).Rejected == 1 })
		})
	}
	if n := in.Count("hello"); n != 1 {
		t.Errorf("the good message before the garbage came %d times", n)
	}
}

// forge returns a frame with an address record of one site, signed by another.
func forge(t *testing.T, of peer.ID) []byte {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	must(t, err)
	e, err := record.Seal(&peer.PeerRecord{PeerID: of, Seq: 1}, key)
	must(t, err)
	b, err := e.Marshal()
	must(t, err)
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// A site that signs its gossip, or names an author, does not speak weft's; who relays such a thing is
// to blame, as is who relays what the handler rejects.
func TestForeignGossipIsBlamed(t *testing.T) {
	good := newSites(t, 1, newInbox().Handler(gossip.Accept))[0]
	good.start()
	h := evil(t, good)
	ps, err := pubsub.NewGossipSub(t.Context(), h)
	must(t, err)
	topic, err := ps.Join("/weft/" + meshCID.String() + "/round/1")
	must(t, err)
	eventually(t, "the topic", func() bool { return len(topic.ListPeers()) == 1 })
	must(t, topic.Publish(t.Context(), []byte("signed by libp2p")))
	eventually(t, "a reject", func() bool { return peerInfo(good, h.ID()).Rejected == 1 })
}

func TestWhoMisbehavesTooMuchIsBanned(t *testing.T) {
	good := newSites(t, 1, nil)[0]
	good.start()
	h := evil(t, good)
	eventually(t, "the ban", func() bool {
		if s, err := h.NewStream(network.WithNoDial(t.Context(), "test"), good.id, protocol.ID(good.mesh.DirectProtocol())); err == nil {
			_, _ = s.Write([]byte{0})
			_, _ = s.Read(make([]byte, 1))
			_ = s.Reset()
		}
		return !peerInfo(good, h.ID()).Banned.IsZero()
	})
	eventually(t, "the disconnect", func() bool { return len(good.host.Network().ConnsToPeer(h.ID())) == 0 })
	_ = h.Connect(t.Context(), good.info())
	eventually(t, "the refusal", func() bool { return len(h.Network().ConnsToPeer(good.id)) == 0 })
}

// A site that opens one stream after the other is read on the newest only.
func TestOneDirectStreamPerPeer(t *testing.T) {
	in := newInbox()
	good := newSites(t, 1, in.Handler(gossip.Accept))[0]
	good.start()
	h := evil(t, good)
	var before network.Stream
	for i := range 20 {
		s, err := h.NewStream(t.Context(), good.id, protocol.ID(good.mesh.DirectProtocol()))
		must(t, err)
		_, err = s.Write([]byte{1, byte('a' + i)})
		must(t, err)
		in.Await(t, string(rune('a'+i)))
		if before != nil {
			if _, err := before.Read(make([]byte, 1)); err == nil {
				t.Fatal("the stream before is open")
			}
		}
		before = s
	}
}
