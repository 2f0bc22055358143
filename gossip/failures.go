package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

const (
	maxReason  = 300 // bytes of why a site cannot be reached
	maxReasons = 4   // addresses of a site that it says it of
	tellAfter  = 3   // failures running after which the log has it
)

// failed notes why a site could not be reached. If the operator gave its address, the log has it too, once until the
// site is reached: one failure is no news, it may just be starting again. It does not block.
func (m *Mesh) failed(p peer.ID, why string) {
	times, why := m.failures.note(p, why)
	_, given := m.bootstrap[p]
	m.life.spawn(func() {
		if given && times == tellAfter {
			m.log.Warn("a bootstrap address does not lead to its site; it is tried again", "peer", p, "reason", why)
			return
		}
		m.log.Debug("not reached", "peer", p, "reason", why)
	})
}

// failures are the reasons why sites could not be reached last.
type failures struct {
	mu    sync.Mutex
	sites map[peer.ID]failure
}

type failure struct {
	why    string
	times  int  // running
	closed bool // this site has closed the connection, for that reason
}

// note returns how many times running p was not reached, and the reason to show. A connection that this site has
// closed itself ended for the reason that it had.
func (f *failures) note(p peer.ID, why string) (times int, shown string) {
	return f.set(p, printable(why), false)
}

// closing notes that this site closes its connection with p.
func (f *failures) closing(p peer.ID, why string) { f.set(p, "disconnected: "+why, true) }

func (f *failures) set(p peer.ID, why string, closed bool) (times int, shown string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sites == nil {
		f.sites = map[peer.ID]failure{}
	}
	now := failure{why, f.sites[p].times, closed}
	if !closed {
		now.times++
	}
	f.sites[p] = now
	return now.times, now.why
}

// opened notes that there is a connection again, which has not ended for the reason that the last one had.
func (f *failures) opened(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.sites[p]; ok && last.closed {
		last.closed = false
		f.sites[p] = last
	}
}

// ended notes that a connection ended before gossip flowed over it.
func (f *failures) ended(p peer.ID) (why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := f.sites[p]; last.closed {
		return last.why
	}
	return "it closes the connection: is this site in its roster, and is it of the same mesh?"
}

// of returns why a site could not be reached; empty if it could, or was never dialed.
func (f *failures) of(p peer.ID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sites[p].why
}

func (f *failures) forget(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sites, p)
}

// printable makes one line of what may be another's words, which could otherwise command a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

// dialFailure says in a line why a dial failed: by address, in an order that does not depend on chance.
func dialFailure(err error) string {
	var d *swarm.DialError
	if !errors.As(err, &d) || len(d.DialErrors) == 0 {
		return rootCause(err)
	}
	var list []string
	for i := range d.DialErrors {
		list = append(list, fmt.Sprintf("%s: %s", d.DialErrors[i].Address, rootCause(d.DialErrors[i].Cause)))
	}
	slices.Sort(list)
	return strings.Join(list[:min(len(list), maxReasons)], "; ")
}

// rootCause leaves out of an error what only says which functions it went through, and what differs each time.
func rootCause(err error) string {
	var id sec.ErrPeerIDMismatch
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &id):
		return fmt.Sprintf("another site is there, with the peer ID %s", id.Actual)
	case errors.As(err, &dns):
		return fmt.Sprintf("%s: %s", dns.Name, dns.Err)
	case errors.As(err, &op):
		text := op.Err.Error()
		for _, call := range []string{"connect: ", "read: ", "write: "} {
			text = strings.TrimPrefix(text, call)
		}
		return text
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	}
	return err.Error()
}
