package sim

import (
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

const (
	askEvery = 500 * time.Millisecond
	askTimes = 60 // turns in all
)

// Asker asks for runs without end and takes them back: it shows old lists and old descriptions again, tells two halves of the mesh
// different things, lists more than it may, and would open runs without the consents that they need. It attacks the bounds on what is
// asked for, the ledger's size, and who consents.
type Asker struct {
	Baseless bool // the runs start from models that nobody has, and are never taken back

	turns, serial uint64
	said          []*ledger.Signed // that it may show again
}

// Name returns the name of its kind.
func (a *Asker) Name() string {
	if a.Baseless {
		return "baseless"
	}
	return "asker"
}

// Boot begins before anybody asks for an honest run.
func (a *Asker) Boot(l *Liar) {
	l.Every(askEvery, func() {
		if a.turns++; a.turns <= askTimes && l.Ledger().Protocol(l.Ledger().Height()+1).Number >= ledger.AskProtocol {
			a.turn(l)
		}
	})
}

func (a *Asker) turn(l *Liar) {
	var specs []*ledger.RunSpec
	for range 1 + l.rng.IntN(ledger.MaxAsked) {
		if s := a.spec(l); s != nil {
			specs = append(specs, s)
		}
	}
	if len(specs) == 0 {
		return
	}
	switch {
	case a.Baseless && a.turns > 2:
		l.Did("more runs than it may ask for")
		a.ask(l, specs, 0)
	case a.Baseless:
		l.Did("runs whose base nobody has")
		a.ask(l, specs, 1)
	default:
		switch l.rng.IntN(4) {
		case 0:
			l.Did("what it has said before")
			for range min(8, len(a.said)) {
				l.Say(a.said[l.rng.IntN(len(a.said))])
			}
		case 1:
			l.Did("two lists in one place")
			half := l.Half()
			list := l.Sign(ledger.KindAsks, &ledger.Asks{Serial: a.serial, Runs: []block.CID{specs[0].ID()}})
			for id := range half {
				l.Send(round.Send{To: id, Message: &round.Message{Attempt: l.rng.Uint64(), Statement: list}})
			}
		case 2:
			l.Did("runs without consents")
			a.force(l, specs[0])
		default:
			l.Did("runs without end, taken back")
			a.ask(l, specs, 1)
		}
	}
}

// spec describes a run on the base of one that is planned; it has one round, so that what is opened ends.
func (a *Asker) spec(l *Liar) *ledger.RunSpec {
	plans := l.Planned()
	if len(plans) == 0 {
		return nil
	}
	s := *plans[l.rng.IntN(len(plans))]
	nonce := l.nowhere().Digest()
	s.Name, s.By, s.Nonce, s.Rounds, s.MinSites = "more", l.Self(), nonce[:16], 1, 0
	if a.Baseless {
		s.Base = l.nowhere()
	}
	return &s
}

// ask asks for runs, and no longer for those before; with step 0 without a newer list.
func (a *Asker) ask(l *Liar, specs []*ledger.RunSpec, step uint64) {
	a.serial += step
	list := &ledger.Asks{Serial: a.serial}
	for _, s := range specs {
		list.Runs = append(list.Runs, s.ID())
	}
	say := func(s *ledger.Signed) {
		a.said = append(a.said, s)
		l.Repeat(s)
	}
	if step > 0 {
		say(l.Sign(ledger.KindAsks, list))
	}
	for _, s := range specs {
		say(l.Sign(ledger.KindOpen, s))
		say(l.Sign(ledger.KindConsent, &ledger.Consent{Run: s.ID(), Accept: true, Serial: 1, Samples: ledger.MaxSamples}))
	}
}

// force would have a run opened to which it consents alone, with its friends.
func (a *Asker) force(l *Liar, s *ledger.RunSpec) {
	open := &ledger.Open{Spec: *l.Sign(ledger.KindOpen, s)}
	yes := &ledger.Consent{Run: s.ID(), Accept: true, Serial: 1}
	for _, site := range l.Ledger().Roster().Sites() {
		for _, f := range append(l.Friends(), l) {
			if f.Self() == site.ID {
				open.Consents = append(open.Consents, *f.Sign(ledger.KindConsent, yes))
			}
		}
	}
	e := &ledger.Entry{Mesh: l.Ledger().Mesh(), Height: l.next(), Parent: l.Ledger().Head(), Body: open}
	l.Say(l.Sign(consensus.KindReady, &consensus.Ready{Height: e.Height, Entry: e.CID(), Data: e.Data()}))
}
