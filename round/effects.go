package round

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// effects gathers what the rooms of a machine have to do and say, in the order in which they say it.
type effects struct {
	cfg    Config
	ledger *ledger.Ledger
	outbox *peerlog.Outbox
	now    time.Duration
	work   Work
	buf    []byte // of the signature being checked
}

func (x *effects) at(now time.Duration)   { x.now = max(x.now, now) }
func (x *effects) alarm(t time.Duration)  { x.work.Alarm = t }
func (x *effects) save(r Record)          { x.work.Save = append(x.work.Save, r) }
func (x *effects) quiet()                 { x.work.Trace = nil }
func (x *effects) Now() time.Duration     { return x.now }
func (x *effects) Save(s *ledger.Signed)  { x.save(Record{Statement: s}) }
func (x *effects) Start(j runs.Job)       { x.work.Jobs = append(x.work.Jobs, j) }
func (x *effects) Trace(e trace.Event)    { x.work.Trace = append(x.work.Trace, e) }
func (x *effects) Name(id peer.ID) string { return x.ledger.Roster().Name(id) }
func (x *effects) blame(from peer.ID, why error) {
	x.work.Blame = append(x.work.Blame, Blame{from, why})
}
func (x *effects) send(to peer.ID, msg *Message) {
	x.work.Send = append(x.work.Send, Send{to, msg})
}

// take hands over the work that has come up.
func (x *effects) take() Work {
	w := x.work
	x.work = Work{Alarm: w.Alarm}
	return w
}

// Sign makes a statement of this site.
func (x *effects) Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(x.ledger.Mesh(), x.cfg.Self, kind, body, x.cfg.Sign)
}

// Verify checks that a statement is signed by a site of the roster.
func (x *effects) Verify(s *ledger.Signed) error {
	return s.VerifyIn(&x.buf, x.ledger.Mesh(), x.ledger.Roster(), x.cfg.Verify)
}

// Publish sends a statement to all now, and again as long as it matters.
func (x *effects) Publish(s *ledger.Signed, most uint64, matters func(sends uint64) bool) {
	x.outbox.Publish(x.now, s, most, matters)
}

// Accuse records evidence against a site and tells it to all.
func (x *effects) Accuse(e *peerlog.Evidence) {
	x.save(Record{Evidence: e})
	x.outbox.Tell(x.now, e, 3)
	x.Trace(trace.Equivocated{Subject: trace.Of(e.A.From), Statement: string(e.A.Kind)})
}

// votes is what the agreement says.
type votes struct {
	*effects
	proofs *peerlog.Proofs
}

// SaveLock implements [consensus.Out].
func (v votes) SaveLock(l *consensus.Lock) { v.save(Record{Lock: l}) }

// Contradiction implements [consensus.Out].
func (v votes) Contradiction(a, b *ledger.Signed) error { return v.proofs.Contradiction(a, b) }

// Note implements [consensus.Out].
func (v votes) Note(n consensus.Note) {
	at := trace.At(n.Height)
	switch n.Kind {
	case consensus.HeightOpened:
		v.Trace(trace.HeightOpened{Subject: at})
	case consensus.ViewBegun:
		v.Trace(trace.ViewBegun{Subject: at, View: n.View})
	case consensus.SaidReady:
		e := n.Entry.(*ledger.Entry)
		v.Trace(trace.Ready{Subject: trace.In(e.Run(), 0).At(n.Height), Decision: decision(e)})
	case consensus.Proposed:
		v.Trace(trace.Proposed{Subject: at, View: n.View, Decision: decision(n.Entry.(*ledger.Entry))})
	case consensus.Prevoted:
		v.Trace(trace.Prevoted{Subject: at, View: n.View, Entry: n.CID})
	case consensus.Precommitted:
		v.Trace(trace.Precommitted{Subject: at, View: n.View, Entry: n.CID})
	}
}

// decision is an entry as events tell it.
func decision(e *ledger.Entry) trace.Decision {
	d := trace.Decision{Entry: e.CID(), Kind: e.Kind(), Words: e.String()}
	switch b := e.Body.(type) {
	case *ledger.Seal:
		d.Round, d.Number, d.Updates = b.Round, b.Number, len(b.Updates)
		d.Heaviest, d.Share = heaviest(b)
	case *ledger.Void:
		d.Round = b.Round
	case *ledger.Commit:
		d.Round = b.Round
	}
	return d
}

// heaviest returns whose update has the largest part of a seal's weight, the first of equals, and that part.
func heaviest(s *ledger.Seal) (id peer.ID, share float64) {
	var sum, most float64
	for i := range s.Updates {
		w := float64(s.Updates[i].Weight)
		if sum += w; w > most {
			id, most = s.Updates[i].Update.From, w
		}
	}
	if sum == 0 {
		return "", 0
	}
	return id, most / sum
}
