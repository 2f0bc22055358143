package gossip

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
)

// book holds the newest address record of each site: libp2p's signed peer record (libp2p specs,
// RFC 0003), signed by the site itself, so that it does not matter who handed it over.
type book struct {
	key  crypto.PrivKey
	self peer.ID

	mu      sync.Mutex
	entries map[peer.ID]entry
	held    map[string]struct{} // the envelopes in entries
	version uint64              // grows with every change
	seq     uint64              // the greatest sequence number seen of our own records
}

type entry struct {
	envelope []byte
	seq      uint64
	addrs    []multiaddr.Multiaddr
	version  uint64 // of the book when this came
}

func newBook(key crypto.PrivKey, self peer.ID) *book {
	return &book{key: key, self: self, entries: map[peer.ID]entry{}, held: map[string]struct{}{}}
}

// openRecord checks a record that came from outside. It returns ErrRecord.
func openRecord(envelope []byte) (*peer.PeerRecord, error) {
	if len(envelope) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRecord, len(envelope), maxRecord)
	}
	var r peer.PeerRecord
	e, err := record.ConsumeTypedEnvelope(envelope, &r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if !r.PeerID.MatchesPublicKey(e.PublicKey) {
		return nil, fmt.Errorf("%w: of %s, signed by another", ErrRecord, r.PeerID)
	}
	if len(r.Addrs) > maxAddrs {
		return nil, fmt.Errorf("%w: %d addresses, at most %d", ErrRecord, len(r.Addrs), maxAddrs)
	}
	return &r, nil
}

// add keeps a record if its site is admitted and it is the newest of that site, and returns whose
// it is and whether it is kept. It returns ErrRecord for one that does not verify.
func (b *book) add(envelope []byte, admitted func(peer.ID) bool) (peer.ID, bool, error) {
	if b.holds(envelope) {
		return "", false, nil // most records come many times; their signatures are checked once
	}
	r, err := openRecord(envelope)
	if err != nil {
		return "", false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.PeerID == b.self {
		b.seq = max(b.seq, r.Seq) // from an earlier life, perhaps with a faster clock
		return r.PeerID, false, nil
	}
	if old, ok := b.entries[r.PeerID]; !admitted(r.PeerID) || ok && old.seq >= r.Seq {
		return r.PeerID, false, nil
	}
	b.put(r.PeerID, entry{envelope: slices.Clone(envelope), seq: r.Seq, addrs: r.Addrs})
	return r.PeerID, true, nil
}

func (b *book) holds(envelope []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.held[string(envelope)]
	return ok
}

func (b *book) put(p peer.ID, e entry) {
	b.version++
	e.version = b.version
	delete(b.held, string(b.entries[p].envelope))
	b.held[string(e.envelope)] = struct{}{}
	b.entries[p] = e
}

// sign makes our own record anew if our addresses differ from those in it or a greater sequence
// number of ours is about. It reports whether it did.
func (b *book) sign(addrs []multiaddr.Multiaddr, now time.Time) (bool, error) {
	addrs = slices.Clone(addrs[:min(len(addrs), maxAddrs)])
	slices.SortFunc(addrs, func(x, y multiaddr.Multiaddr) int { return bytes.Compare(x.Bytes(), y.Bytes()) })
	b.mu.Lock()
	defer b.mu.Unlock()
	own, ok := b.entries[b.self]
	if ok && own.seq >= b.seq && slices.EqualFunc(own.addrs, addrs, multiaddr.Multiaddr.Equal) {
		return false, nil
	}
	seq := max(uint64(now.UnixNano()), b.seq+1)
	e, err := record.Seal(&peer.PeerRecord{PeerID: b.self, Addrs: addrs, Seq: seq}, b.key)
	if err != nil {
		return false, fmt.Errorf("sign own addresses: %w", err)
	}
	envelope, err := e.Marshal()
	if err != nil {
		return false, fmt.Errorf("sign own addresses: %w", err)
	}
	b.seq = seq
	b.put(b.self, entry{envelope: envelope, seq: seq, addrs: addrs})
	return true, nil
}

// since returns records that came after the book had the given version, oldest first and at most
// maxRecords of them, and the version up to which they are complete.
func (b *book) since(version uint64) (envelopes [][]byte, upTo uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var newer []entry
	for _, e := range b.entries {
		if e.version > version {
			newer = append(newer, e)
		}
	}
	slices.SortFunc(newer, func(x, y entry) int { return cmp.Compare(x.version, y.version) })
	newer = newer[:min(len(newer), maxRecords)]
	for _, e := range newer {
		envelopes = append(envelopes, e.envelope)
		version = e.version
	}
	return envelopes, version
}

// addrs returns the addresses in p's record.
func (b *book) addrs(p peer.ID) []multiaddr.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[p].addrs
}

// retain forgets the records of sites that are no longer admitted.
func (b *book) retain(admitted func(peer.ID) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, e := range b.entries {
		if p != b.self && !admitted(p) {
			delete(b.held, string(e.envelope))
			delete(b.entries, p)
		}
	}
}
