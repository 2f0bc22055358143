package sim

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// Adversary makes a site lie. The site runs an honest machine; the adversary stands between it and the
// world, and has the site's key. What it does it says by the small interfaces below; what it does not
// implement is done honestly. It remembers what it wants over its site's restarts, so that each site
// of each world has one of its own.
type Adversary interface {
	Name() string
}

// Booter is told that its site has started.
type Booter interface{ Boot(l *Liar) }

// Waker gets its site's log before a restart and returns what the site is to remember.
type Waker interface {
	Wake(l *Liar, log []round.Record) []round.Record
}

// Hearer gets every event before the machine does and returns what the machine is told; nil: nothing.
type Hearer interface {
	Hear(l *Liar, ev round.Event) round.Event
}

// Sender gets what the machine would send; what it does not pass to l.Send is not sent.
type Sender interface {
	Send(l *Liar, s round.Send)
}

// Server says how it answers who fetches an artifact.
type Server interface {
	Serve(l *Liar, manifest block.CID, to peer.ID) Service
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
	Poison(l *Liar, j runs.Train, t Trained) (Trained, error)
}

// Deceiver changes what a reduction has yielded.
type Deceiver interface {
	Deceive(l *Liar, j runs.Reduce, r Reduced) Reduced
}

// repeats are when a liar says by hand what it wants to get through.
var repeats = []time.Duration{0, time.Second, 4 * time.Second}

// Liar is an adversary's hold on its site.
type Liar struct {
	Adversary
	s     *site
	rng   *rand.Rand
	deeds map[string]int
}

func newLiar(s *site, a Adversary) *Liar {
	return &Liar{Adversary: a, s: s, rng: rand.New(rand.NewPCG(s.w.cfg.Seed, 1<<32+uint64(s.i))), deeds: map[string]int{}}
}

// Self returns the site's peer ID.
func (l *Liar) Self() peer.ID { return l.s.id }

// Machine returns the site's honest machine, for reading.
func (l *Liar) Machine() *round.Machine { return l.s.machine }

// Ledger returns the site's ledger, for reading.
func (l *Liar) Ledger() *ledger.Ledger { return l.s.machine.Ledger() }

// Workload returns the world's workload.
func (l *Liar) Workload() Workload { return l.s.w.cfg.Workload }

// Others returns the peer IDs of all other sites, in the order of Config.
func (l *Liar) Others() []peer.ID {
	var ids []peer.ID
	for _, s := range l.s.w.sites {
		if s != l.s {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// Half returns half of the sites that are not its friends, drawn by chance.
func (l *Liar) Half() map[peer.ID]bool {
	friends := map[peer.ID]bool{}
	for _, f := range l.Friends() {
		friends[f.Self()] = true
	}
	ids := slices.DeleteFunc(l.Others(), func(id peer.ID) bool { return friends[id] })
	half := map[peer.ID]bool{}
	for _, i := range l.rng.Perm(len(ids))[:(len(ids)+l.rng.IntN(2))/2] {
		half[ids[i]] = true
	}
	return half
}

// Friends returns the other liars of this kind, who have agreed on what they do.
func (l *Liar) Friends() []*Liar {
	var list []*Liar
	for _, s := range l.s.w.sites {
		if s != l.s && s.liar != nil && s.liar.Name() == l.Name() {
			list = append(list, s.liar)
		}
	}
	return list
}

// Planned returns the runs that operators are going to open: an insider hears of them before.
func (l *Liar) Planned() []*ledger.RunSpec {
	var list []*ledger.RunSpec
	for _, a := range l.s.w.cfg.Acts {
		if open, ok := a.Do.(runs.OpenRun); ok {
			list = append(list, open.Spec)
		}
	}
	return list
}

// Rand returns the liar's own source of chance.
func (l *Liar) Rand() *rand.Rand { return l.rng }

// Sign signs whatever statement in the site's name.
func (l *Liar) Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	l.s.traffic.Signed++
	return ledger.Sign(l.s.w.genesis.Block().CID, l.s.id, kind, body, func(data []byte) []byte { return sign(l.s.id, data) })
}

// SignBytes signs a statement whose body is these bytes.
func (l *Liar) SignBytes(kind ledger.Kind, body []byte) *ledger.Signed {
	l.s.traffic.Signed++
	return &ledger.Signed{From: l.Self(), Kind: kind, Body: body, Sig: sign(l.Self(), ledger.SigningBytes(l.Ledger().Mesh(), kind, body))}
}

// Send sends a message as the site.
func (l *Liar) Send(s round.Send) { l.s.w.net.send(l.s, s) }

// Utter sends bytes as the site, to one site or to all, who take them as nodes do: what they do not know they pass over, and
// what no correct site says they hold against it.
func (l *Liar) Utter(to peer.ID, data []byte) {
	m, err := round.DecodeMessage(data)
	switch {
	case err == nil:
		l.Send(round.Send{To: to, Message: m})
	case !errors.Is(err, ledger.ErrUnknown):
		for _, s := range l.s.w.sites {
			if s != l.s {
				l.s.w.observe(s.i, trace.Rejected{Subject: trace.Of(l.Self()), Why: err.Error()})
			}
		}
	}
}

// Say sends a statement to all sites.
func (l *Liar) Say(s *ledger.Signed) {
	l.Send(round.Send{Message: &round.Message{Attempt: 1 + l.rng.Uint64N(1<<32), Statement: s}})
}

// Whisper says a statement to one site, as gossip has it: that site passes it on if it finds it good.
func (l *Liar) Whisper(to peer.ID, s *ledger.Signed) {
	m := &round.Message{Attempt: 1 + l.rng.Uint64N(1<<32), Statement: s}
	if i, known := l.s.w.index[to]; known {
		l.s.w.net.relay(l.s, l.s.w.sites[i], m, len(m.Encode()), map[int]bool{l.s.i: true})
	}
}

// Repeat says a statement to all sites, and twice again.
func (l *Liar) Repeat(s *ledger.Signed) {
	for _, d := range repeats {
		l.After(d, func() { l.Say(s) })
	}
}

// Hold puts an artifact that exists somewhere into the site's store.
func (l *Liar) Hold(manifest block.CID) { l.s.hold(manifest) }

// After does something later, if the site has not crashed by then.
func (l *Liar) After(d time.Duration, do func()) { l.s.later(d, do) }

// Every does something again and again until the site crashes.
func (l *Liar) Every(d time.Duration, do func()) {
	l.After(d, func() {
		do()
		l.Every(d, do)
	})
}

// Restart crashes the site and starts it again after a while.
func (l *Liar) Restart(after time.Duration) {
	l.s.crash()
	l.s.w.after(after, l.s.boot)
}

// Did counts a deed; the first of its kind stands in the trace.
func (l *Liar) Did(deed string) {
	if l.deeds[deed]++; l.deeds[deed] == 1 {
		l.s.w.observe(l.s.i, trace.Lies{Subject: trace.Of(l.s.id), Deed: deed})
	}
}

// Deeds returns what a site's adversary has done, and how often.
func (w *World) Deeds(site int) map[string]int {
	if l := w.sites[site].liar; l != nil {
		return maps.Clone(l.deeds)
	}
	return nil
}

func (l *Liar) boot() {
	if b, ok := l.Adversary.(Booter); ok {
		b.Boot(l)
	}
}

func (l *Liar) wakes(log []round.Record) []round.Record {
	if a, ok := l.Adversary.(Waker); ok {
		return a.Wake(l, log)
	}
	return log
}

func (l *Liar) hears(ev round.Event) round.Event {
	if h, ok := l.Adversary.(Hearer); ok {
		return h.Hear(l, ev)
	}
	return ev
}

func (l *Liar) sends(s round.Send) {
	if a, ok := l.Adversary.(Sender); ok {
		a.Send(l, s)
	} else {
		l.Send(s)
	}
}

func (l *Liar) serves(manifest block.CID, to peer.ID) Service {
	if a, ok := l.Adversary.(Server); ok {
		return a.Serve(l, manifest, to)
	}
	return Serve
}

func (l *Liar) trained(j runs.Train, t Trained) (Trained, error) {
	if a, ok := l.Adversary.(Poisoner); ok {
		return a.Poison(l, j, t)
	}
	return t, nil
}

func (l *Liar) reduced(j runs.Reduce, r Reduced) Reduced {
	if a, ok := l.Adversary.(Deceiver); ok {
		return a.Deceive(l, j, r)
	}
	return r
}
