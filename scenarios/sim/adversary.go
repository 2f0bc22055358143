package sim

import (
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round"
)

// Adversary makes a site lie. The site runs an honest machine; the adversary stands between it and the
// world, and has the site's key. What it does it says by the small interfaces below; what it does not
// implement is done honestly.
type Adversary interface {
	Name() string
}

// Booter is told that its site has started.
type Booter interface{ Boot(l *Liar) }

// Hearer sees every event before the machine does; false keeps it from the machine.
type Hearer interface {
	Hear(l *Liar, ev round.Event) bool
}

// Sender gets what the machine would send; what it does not pass to l.Send is not sent.
type Sender interface {
	Send(l *Liar, s round.Send)
}

// Server says how it answers who fetches an artifact.
type Server interface {
	Serve(l *Liar, manifest block.CID, to int) Service
}

// Service is how a provider answers.
type Service uint8

const (
	Serve    Service = iota // with the blocks
	Withhold                // not at all
	Garbage                 // with blocks that do not match
)

// Poisoner changes what a training has yielded.
type Poisoner interface {
	Poison(l *Liar, j round.Train, t *Trained)
}

// Deceiver changes what a reduction has yielded.
type Deceiver interface {
	Deceive(l *Liar, j round.Reduce, r *Reduced)
}

// Liar is an adversary's hold on its site.
type Liar struct {
	Adversary
	s *site
}

// Self returns the site's peer ID.
func (l *Liar) Self() peer.ID { return l.s.id }

// Machine returns the site's honest machine, for reading.
func (l *Liar) Machine() *round.Machine { return l.s.machine }

// Workload returns the world's workload.
func (l *Liar) Workload() Workload { return l.s.w.cfg.Workload }

// Sites returns the peer IDs of all sites, in the order of Config.
func (l *Liar) Sites() []peer.ID {
	ids := make([]peer.ID, len(l.s.w.sites))
	for i, s := range l.s.w.sites {
		ids[i] = s.id
	}
	return ids
}

// Rand returns the world's source of chance.
func (l *Liar) Rand() *rand.Rand { return l.s.w.rng }

// Sign signs whatever statement in the site's name.
func (l *Liar) Sign(kind round.Kind, body any) *round.Signed {
	l.s.traffic.Signed++
	return round.Sign(l.s.w.genesis.Block().CID, l.s.id, kind, body, func(data []byte) []byte { return sign(l.s.id, data) })
}

// Send sends a message as the site.
func (l *Liar) Send(s round.Send) { l.s.w.net.send(l.s, s) }

// After does something later, if the site has not crashed by then.
func (l *Liar) After(d time.Duration, do func()) { l.s.later(d, do) }

func (l *Liar) boot() {
	if b, ok := l.Adversary.(Booter); ok {
		b.Boot(l)
	}
}

func (l *Liar) hears(ev round.Event) bool {
	h, ok := l.Adversary.(Hearer)
	return !ok || h.Hear(l, ev)
}

func (l *Liar) sends(s round.Send) {
	if a, ok := l.Adversary.(Sender); ok {
		a.Send(l, s)
	} else {
		l.Send(s)
	}
}

func (l *Liar) serves(manifest block.CID, to int) Service {
	if a, ok := l.Adversary.(Server); ok {
		return a.Serve(l, manifest, to)
	}
	return Serve
}

func (l *Liar) trained(j round.Train, t *Trained) {
	if a, ok := l.Adversary.(Poisoner); ok {
		a.Poison(l, j, t)
	}
}

func (l *Liar) reduced(j round.Reduce, r *Reduced) {
	if a, ok := l.Adversary.(Deceiver); ok {
		a.Deceive(l, j, r)
	}
}
