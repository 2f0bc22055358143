package round

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/peerlog"
	"github.com/weft-mesh/weft/runs"
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
func (x *effects) Trace(e trace.Step)     { x.work.Trace = append(x.work.Trace, e) }
func (x *effects) Name(id peer.ID) string { return x.ledger.Roster().Name(id) }
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
	x.Trace(trace.Step{Event: "equivocation", Site: e.A.From, Kind: string(e.A.Kind), Text: "two signed statements for one place"})
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
	t := trace.Step{Height: n.Height, View: n.View, Entry: n.CID}
	switch n.Kind {
	case consensus.HeightOpened:
		t.Event = "open height"
	case consensus.ViewBegun:
		t.Event = "view"
	case consensus.SaidReady:
		e := n.Entry.(*ledger.Entry)
		t.Event, t.Run, t.Kind, t.Text = "ready", e.Run(), e.Kind(), e.String()
	case consensus.Proposed:
		t.Event, t.Text = "propose", n.Entry.(*ledger.Entry).String()
	case consensus.Prevoted:
		t.Event = string(ledger.KindPrevote)
	case consensus.Precommitted:
		t.Event = string(ledger.KindPrecommit)
	}
	v.Trace(t)
}

func changedText(c *ledger.Change, r *ledger.Roster) string {
	return fmt.Sprintf("%s: n=%d f=%d q=%d", c, r.Len(), r.F(), r.Quorum())
}
