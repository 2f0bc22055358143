package gossip

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"
)

// loadAddrs begins with what is known beforehand: the configuration and the address file.
func (m *Mesh) loadAddrs(bootstrap []peer.AddrInfo) error {
	for _, b := range bootstrap {
		if b.ID != m.host.ID() {
			m.bootstrap[b.ID] = append(m.bootstrap[b.ID], b.Addrs...)
		}
	}
	if m.file != "" {
		if _, err := loadBook(m.book, m.file, m.host.gate.roster); err != nil {
			m.log.Warn("address file is damaged; using what can be read of it", "err", err)
		}
	}
	if _, err := m.book.sign(m.host.Addrs(), time.Now()); err != nil {
		return err
	}
	for _, p := range m.sites() {
		m.place(p, false)
	}
	return nil
}

// addrs returns where p can be dialed.
func (m *Mesh) addrs(p peer.ID) []multiaddr.Multiaddr {
	all := slices.Clone(m.bootstrap[p])
	for _, a := range m.book.addrs(p) {
		if !multiaddr.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// place writes p's addresses into the host's peerstore, so that every protocol on the host can dial
// it, in the place of those that its last record named.
func (m *Mesh) place(p peer.ID, byGossip bool) {
	if p == m.host.ID() || !m.host.gate.roster(p) {
		return
	}
	m.storeMu.Lock()
	defer m.storeMu.Unlock()
	addrs := m.addrs(p)
	if len(addrs) == 0 {
		return
	}
	store := m.host.Peerstore()
	// Those of a live connection have a lifetime of their own and are not touched.
	store.UpdateAddrs(p, peerstore.PermanentAddrTTL, 0)
	store.AddAddrs(p, addrs, peerstore.PermanentAddrTTL)
	m.seeker.learnt(p, byGossip, time.Now())
}

// learnt is told whose records are new.
func (m *Mesh) learnt(peers []peer.ID) {
	if len(peers) == 0 {
		return
	}
	for _, p := range peers {
		if p == m.host.ID() {
			m.signAddrs() // somebody has a record of ours that we do not remember
			continue
		}
		m.place(p, true)
	}
	m.wake()
	m.records.pushAll()
}

// signAddrs makes our own record anew if need be, and tells the others.
func (m *Mesh) signAddrs() {
	changed, err := m.book.sign(m.host.Addrs(), time.Now())
	if err != nil {
		m.log.Error("own addresses not signed", "err", err)
		return
	}
	if changed {
		m.records.pushAll()
	}
}

// watchAddrs follows the host's own addresses.
func (m *Mesh) watchAddrs() {
	sub, err := m.host.EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		m.log.Error("own addresses not watched", "err", err)
		return
	}
	defer sub.Close()
	for {
		m.signAddrs()
		select {
		case <-m.life.ctx.Done():
			return
		case <-sub.Out():
		}
	}
}

// saveAddrs brings the address file up to date.
func (m *Mesh) saveAddrs() {
	if m.file == "" {
		return
	}
	m.storeMu.Lock()
	defer m.storeMu.Unlock()
	_, version := m.book.since(0)
	if version == m.saved {
		return
	}
	if err := saveBook(m.book, m.file); err != nil {
		m.log.Warn("addresses not saved", "err", err)
		return
	}
	m.saved = version
}

// wake makes the dial loop look again.
func (m *Mesh) wake() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}
