package gossip

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
)

type identity struct {
	key crypto.PrivKey
	id  peer.ID
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	key, pub, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return identity{key, id}
}

func sealed(t testing.TB, by identity, of peer.ID, seq uint64, addrs ...string) []byte {
	t.Helper()
	r := &peer.PeerRecord{PeerID: of, Seq: seq}
	for _, a := range addrs {
		r.Addrs = append(r.Addrs, multiaddr.StringCast(a))
	}
	e, err := record.Seal(r, by.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func everyone(peer.ID) bool { return true }

func TestBookKeepsTheNewest(t *testing.T) {
	me, ada, eve := newIdentity(t), newIdentity(t), newIdentity(t)
	b := newBook(me.key, me.id)
	add := func(envelope []byte, admitted func(peer.ID) bool, kept bool) {
		t.Helper()
		if _, got, err := b.add(envelope, admitted); err != nil || got != kept {
			t.Fatalf("kept %v, %v; want %v", got, err, kept)
		}
	}
	first := sealed(t, ada, ada.id, 5, "/ip4/10.0.0.1/tcp/1")
	add(first, func(peer.ID) bool { return false }, false)
	add(first, everyone, true)
	add(first, everyone, false)
	add(sealed(t, ada, ada.id, 4, "/ip4/10.0.0.1/tcp/4"), everyone, false)
	add(sealed(t, ada, ada.id, 6, "/ip4/10.0.0.1/tcp/6"), everyone, true)
	if got := b.addrs(ada.id); len(got) != 1 || got[0].String() != "/ip4/10.0.0.1/tcp/6" {
		t.Fatalf("addresses %v", got)
	}
	if _, _, err := b.add(sealed(t, eve, ada.id, 7), everyone); !errors.Is(err, ErrRecord) {
		t.Errorf("signed by another: %v", err)
	}
	forged := sealed(t, ada, ada.id, 8, "/ip4/10.0.0.1/tcp/8")
	forged[len(forged)-70] ^= 1
	if _, _, err := b.add(forged, everyone); !errors.Is(err, ErrRecord) {
		t.Errorf("forged: %v", err)
	}
	var many []string
	for i := range maxAddrs + 1 {
		many = append(many, fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i))
	}
	if _, _, err := b.add(sealed(t, ada, ada.id, 9, many...), everyone); !errors.Is(err, ErrRecord) {
		t.Errorf("too many addresses: %v", err)
	}
	if _, _, err := b.add(make([]byte, maxRecord+1), everyone); !errors.Is(err, ErrRecord) {
		t.Errorf("too long: %v", err)
	}
	b.retain(func(p peer.ID) bool { return p != ada.id })
	if got := b.addrs(ada.id); got != nil || len(b.held) != 0 {
		t.Fatalf("still has %v", got)
	}
}

func TestBookSignsAnew(t *testing.T) {
	me := newIdentity(t)
	b := newBook(me.key, me.id)
	at := func(port int) []multiaddr.Multiaddr {
		return []multiaddr.Multiaddr{
			multiaddr.StringCast("/ip4/10.0.0.1/udp/1/quic-v1"),
			multiaddr.StringCast(fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", port)),
		}
	}
	sign := func(addrs []multiaddr.Multiaddr, now int64, want bool) {
		t.Helper()
		if got, err := b.sign(addrs, time.Unix(0, now)); err != nil || got != want {
			t.Fatalf("signed %v, %v; want %v", got, err, want)
		}
	}
	sign(at(1), 100, true)
	other := at(1)
	slices.Reverse(other)
	sign(other, 200, false)
	sign(at(2), 50, true) // the clock went back
	if seq := b.entries[me.id].seq; seq != 101 {
		t.Fatalf("sequence number %d, want 101", seq)
	}
	// Somebody remembers a record of an earlier life, whose clock was ahead.
	if p, kept, err := b.add(sealed(t, me, me.id, 1000, "/ip4/10.0.0.1/tcp/9"), everyone); p != me.id || kept || err != nil {
		t.Fatalf("%s, %v, %v", p, kept, err)
	}
	sign(at(2), 300, true)
	if seq := b.entries[me.id].seq; seq != 1001 {
		t.Fatalf("sequence number %d, want 1001", seq)
	}
	sign(at(2), 400, false)
}

func TestBookSince(t *testing.T) {
	me := newIdentity(t)
	b := newBook(me.key, me.id)
	var all [][]byte
	for i := range 5 {
		p := newIdentity(t)
		all = append(all, sealed(t, p, p.id, 1, fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i)))
	}
	var version uint64
	for i, e := range all {
		if _, _, err := b.add(e, everyone); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			_, version = b.since(0)
		}
	}
	got, upTo := b.since(version)
	if !slices.EqualFunc(got, all[2:], bytes.Equal) {
		t.Fatalf("%d records since the second, want 3 in order", len(got))
	}
	if got, again := b.since(upTo); got != nil || again != upTo {
		t.Fatalf("%d more records", len(got))
	}
}

func TestAddressFile(t *testing.T) {
	me, ada, bob := newIdentity(t), newIdentity(t), newIdentity(t)
	path := filepath.Join(t.TempDir(), "addresses")
	b := newBook(me.key, me.id)
	if taken, err := loadBook(b, path, everyone); taken != nil || err != nil {
		t.Fatalf("no file: %v, %v", taken, err)
	}
	for i, p := range []identity{ada, bob} {
		if _, _, err := b.add(sealed(t, p, p.id, 1, fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i)), everyone); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.sign(nil, time.Unix(0, 77)); err != nil {
		t.Fatal(err)
	}
	if err := saveBook(b, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	back := newBook(me.key, me.id)
	taken, err := loadBook(back, path, everyone)
	if err != nil || len(taken) != 2 || !slices.EqualFunc(back.addrs(bob.id), b.addrs(bob.id), multiaddr.Multiaddr.Equal) {
		t.Fatalf("took %v, %v", taken, err)
	}
	if back.seq != 77 {
		t.Errorf("own sequence number is %d, want 77", back.seq)
	}

	// Of a damaged file, what verifies is used.
	i := bytes.LastIndex(text, []byte(`"record":"`)) + 40
	text[i] = 'A' + (text[i]-'A'+1)%26
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if taken, err := loadBook(newBook(me.key, me.id), path, everyone); !errors.Is(err, ErrRecord) || len(taken) == 0 {
		t.Errorf("damaged: took %v, %v", taken, err)
	}
	if err := os.WriteFile(path, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadBook(newBook(me.key, me.id), path, everyone); !errors.Is(err, ErrRecord) {
		t.Errorf("cut: %v", err)
	}
	if err := saveBook(b, filepath.Join(path, "nowhere")); err == nil {
		t.Error("saved into no folder")
	}
}

func FuzzRecord(f *testing.F) {
	me := newIdentity(f)
	f.Add(sealed(f, me, me.id, 1, "/ip4/10.0.0.1/tcp/1"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, envelope []byte) {
		b := newBook(me.key, "nobody")
		p, kept, err := b.add(envelope, everyone)
		if err != nil && !errors.Is(err, ErrRecord) || kept != (err == nil) {
			t.Fatalf("%s, %v, %v", p, kept, err)
		}
		if err == nil && len(b.addrs(p)) > maxAddrs {
			t.Fatal("too many addresses")
		}
	})
}

func FuzzAddressFile(f *testing.F) {
	me := newIdentity(f)
	b := newBook(me.key, me.id)
	if _, err := b.sign(nil, time.Unix(0, 1)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.encode())
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBook(me.key, "nobody")
		taken, _ := b.decode(text, everyone)
		again, err := newBook(me.key, "nobody").decode(b.encode(), everyone)
		slices.Sort(taken)
		slices.Sort(again)
		if err != nil || !slices.Equal(slices.Compact(taken), again) {
			t.Fatalf("took %v, then %v, %v", taken, again, err)
		}
	})
}
