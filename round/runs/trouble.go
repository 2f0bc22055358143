package runs

import (
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

var _ = handle(ledger.KindTrouble, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.troubles.note(s, body.(*ledger.Trouble))
		return nil
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.troubles.note(s, body.(*ledger.Trouble))
		return nil
	},
	own: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		b, known := body.(*ledger.Trouble), r.troubles.newest(body.(*ledger.Trouble).Run, s.From)
		if known != nil && (known.Serial > b.Serial || known.Serial == b.Serial && known.Says(b.Classes, b.Text)) {
			return nil
		}
		if err := r.env.recall(s); err != nil {
			return err
		}
		r.troubles.forgetIn(b.Run, s.From) // the others keep the first of a serial; what is true now is said again by the next
		r.troubles.note(s, b)
		return nil
	},
})

// troubles are what the sites have said last of what goes wrong there. Nothing is decided by them.
type troubles struct {
	env  *env
	said map[block.CID]map[peer.ID]*ledger.Signed // of runs that are active
}

func newTroubles(v *env) *troubles {
	return &troubles{v, map[block.CID]map[peer.ID]*ledger.Signed{}}
}

// newest returns what a site has said last, nil if that is nothing.
func (t *troubles) newest(run block.CID, id peer.ID) *ledger.Trouble {
	s := t.said[run][id]
	if s == nil {
		return nil
	}
	b, _ := ledger.BodyOf[ledger.Trouble](s, ledger.KindTrouble) // it was read when it came
	return b
}

func (t *troubles) forgetIn(run block.CID, id peer.ID) { delete(t.said[run], id) }

// forget drops what a key has said that is no site's any more.
func (t *troubles) forget(id peer.ID) {
	for run := range t.said {
		t.forgetIn(run, id)
	}
}

// over drops what is said of a run.
func (t *troubles) over(run block.CID) { delete(t.said, run) }

func (t *troubles) active(run block.CID) bool {
	r := t.env.Ledger.Run(run)
	return r != nil && r.Active()
}

// note takes what a site says, unless it has said something newer; one's own is told to the others as long as the run lasts: heads
// do not show who lacks it.
func (t *troubles) note(s *ledger.Signed, b *ledger.Trouble) {
	if known := t.newest(b.Run, s.From); !t.active(b.Run) || known != nil && known.Serial >= b.Serial {
		return
	}
	if t.said[b.Run] == nil {
		t.said[b.Run] = map[peer.ID]*ledger.Signed{}
	}
	t.said[b.Run][s.From] = s
	var classes []string
	for _, a := range b.Classes {
		classes = append(classes, string(a))
	}
	t.env.Out.Trace(trace.Troubled{Subject: trace.In(b.Run, t.env.Ledger.Run(b.Run).Round).Of(s.From), Classes: classes, Why: strings.ToValidUTF8(b.Text, "")})
	if s.From == t.env.Self {
		t.env.Out.Publish(s, 0, func(uint64) bool { return t.said[b.Run][s.From] == s && t.active(b.Run) })
	}
}

// Troubled tells what goes wrong at this site in a run, all of it: nothing, if nothing does any more. The others are told if that
// is news to them.
type Troubled struct {
	Run     block.CID
	Classes []ledger.TroubleClass // ascending
	Text    string                // that the site's operator shares; may be empty
}

// IsEvent marks an event of the site.
func (Troubled) IsEvent() {}

// Complain takes what goes wrong at this site.
func Complain(r *Runs, e Troubled) {
	t := r.troubles
	known := t.newest(e.Run, t.env.Self)
	switch {
	case !t.active(e.Run) || t.env.observes():
		return
	case known == nil && len(e.Classes) == 0, known != nil && known.Says(e.Classes, e.Text):
		return
	}
	body := &ledger.Trouble{Run: e.Run, Serial: 1, Classes: append([]ledger.TroubleClass{}, e.Classes...), Text: e.Text}
	if known != nil {
		body.Serial = known.Serial + 1
	}
	if body.Check() != nil {
		body.Text = ""
	}
	s := t.env.Out.Sign(ledger.KindTrouble, body)
	t.env.Out.Save(s)
	t.note(s, body)
}
