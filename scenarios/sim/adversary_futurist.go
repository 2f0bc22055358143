package sim

import (
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
)

const futureEvery = 700 * time.Millisecond

// Futurist speaks as a later version of weft might: every message, head and statement of its own has a field that nobody knows,
// in the maps around and within, and between them it says kinds of statements, messages and entries that nobody knows. It tells
// its update to one site only: the others have it from there, with the field, or not at all. It attacks tolerance: who refuses
// what may be a later version's bans those who pass it on, and in the end everybody.
type Futurist struct {
	said map[string]*ledger.Signed // what it said in the place of what its machine would have
}

// Name returns the name of its kind.
func (a *Futurist) Name() string { return "futurist" }

// Boot begins to say what has no kind yet.
func (a *Futurist) Boot(l *Liar) {
	sorts := []func(l *Liar){a.statement, a.message, a.evidence, a.entry}
	l.Every(futureEvery, func() { sorts[l.rng.IntN(len(sorts))](l) })
}

// Send has all that its machine says go out with fields that nobody knows.
func (a *Futurist) Send(l *Liar, s round.Send) {
	m := *s.Message
	st, body := l.own(s)
	switch {
	case m.Evidence != nil || a.reveals(l, body):
		return // its machine has signed another update than it has said: that would pass for a double
	case st != nil && futureKinds[st.Kind]:
		l.Did("said a known kind with an unknown field: " + string(st.Kind))
		m.Statement = a.restated(l, st)
		if st.Kind == ledger.KindUpdate {
			s.To = l.Others()[0]
		}
	case m.Head != nil:
		l.Did("sent a head with an unknown field")
	case len(m.Certified) > 0:
		l.Did("sent a certificate with an unknown field")
	}
	l.Utter(s.To, future(block.Encode(&m), "head", "statement", "certified", "certificate"))
}

// futureKinds are the kinds that it adds a field to. Of the others entries are made here, by a machine that knows no such field.
var futureKinds = map[ledger.Kind]bool{
	ledger.KindUpdate: true, ledger.KindConsent: true, ledger.KindSkip: true, consensus.KindReady: true, consensus.KindProposal: true,
	ledger.KindPrevote: true, ledger.KindPrecommit: true,
}

// restated returns a statement with a field that nobody knows, the same whenever it is said.
func (a *Futurist) restated(l *Liar, s *ledger.Signed) *ledger.Signed {
	key := string(s.Kind) + string(s.Body)
	if a.said == nil {
		a.said = map[string]*ledger.Signed{}
	}
	if a.said[key] == nil {
		a.said[key] = l.SignBytes(s.Kind, future(s.Body))
	}
	return a.said[key]
}

// reveals reports whether a statement brings an entry with an update as its machine has signed it.
func (a *Futurist) reveals(l *Liar, body ledger.Body) bool {
	var data []byte
	switch b := body.(type) {
	case *consensus.Ready:
		data = b.Data
	case *consensus.Proposal:
		data = b.Entry
	}
	e, err := ledger.DecodeEntry(data)
	if err != nil {
		return false
	}
	seal := ledger.As[ledger.Seal](e)
	if seal == nil {
		return false
	}
	for i := range seal.Updates {
		if u := &seal.Updates[i].Update; u.From == l.Self() && len(u.Unknown()) == 0 {
			return true
		}
	}
	return false
}

func (a *Futurist) statement(l *Liar) {
	l.Did("said an unknown kind")
	l.Utter("", block.Encode(&round.Message{Attempt: l.rng.Uint64(), Statement: a.forecast(l)}))
}

func (a *Futurist) message(l *Liar) {
	l.Did("sent unknown contents")
	l.Utter("", block.Encode(map[string]any{"attempt": l.rng.Uint64(), "forecast": "rain"}))
}

func (a *Futurist) evidence(l *Liar) {
	l.Did("sent evidence of an unknown kind")
	l.Utter("", block.Encode(&round.Message{Attempt: l.rng.Uint64(), Evidence: &peerlog.Evidence{A: *a.forecast(l), B: *a.forecast(l)}}))
}

// entry tells an entry of a kind that nobody knows: if anybody certified it, all would have to stop.
func (a *Futurist) entry(l *Liar) {
	data := block.Encode(map[string]any{"mesh": l.Ledger().Mesh(), "height": l.next(), "parent": l.Ledger().Head(), "forecast": map[string]any{"rain": l.rng.Uint64()}})
	l.Did("was ready for an entry of an unknown kind")
	l.Say(l.Sign(consensus.KindReady, &consensus.Ready{Height: l.next(), Entry: block.Sum(block.DagCBOR, data), Data: data}))
}

func (a *Futurist) forecast(l *Liar) *ledger.Signed {
	return l.SignBytes("forecast", block.Encode(map[string]any{"rain": l.rng.Uint64()}))
}

// future returns an encoded map with a field that nobody knows, there and in the maps of some of its fields. Of a list it returns
// each of its maps so.
func future(data []byte, within ...string) []byte {
	var list []cbor.RawMessage
	if block.Decode(data, &list) == nil {
		for i := range list {
			list[i] = future(list[i], within...)
		}
		return block.Encode(list)
	}
	var m map[string]cbor.RawMessage
	if err := block.Decode(data, &m); err != nil {
		panic(err) // it was just encoded
	}
	for _, name := range within {
		if inner, ok := m[name]; ok {
			m[name] = future(inner, within...)
		}
	}
	m["later"] = block.Encode("rain")
	return block.Encode(m)
}
