package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

var _ = handle(ledger.KindStop, kind{
	receive: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		r.noteStop(s, body.(*ledger.Stop))
		return nil
	},
	restore: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		b := body.(*ledger.Stop)
		r.noteStop(s, b)
		r.asks.remove(func(k *ask) bool { return k.id == b.Run }) // it was taken back
		return nil
	},
	own: func(r *Runs, s *ledger.Signed, body ledger.Body) error {
		b := body.(*ledger.Stop)
		if r.stops[b.Run][s.From] != nil {
			return nil
		}
		if err := r.env.recall(s); err != nil {
			return err
		}
		r.noteStop(s, b)
		return nil
	},
})

// stops are the requests to end runs, by run and site.
type stops map[block.CID]map[peer.ID]*ledger.Signed

// note takes a request; it reports whether it is the first of its author for the run.
func (t stops) note(s *ledger.Signed, run block.CID) bool {
	if t[run] == nil {
		t[run] = map[peer.ID]*ledger.Signed{}
	}
	if t[run][s.From] != nil {
		return false
	}
	t[run][s.From] = s
	return true
}

// forget drops the requests of a key that is no site's any more.
func (t stops) forget(id peer.ID) {
	for _, of := range t {
		delete(of, id)
	}
}

// Stop is the wish of this site's operator to end a run, or no longer to ask for it.
func (r *Runs) Stop(e StopRun) {
	if r.env.observes() {
		return
	}
	if !r.active(e.Run) {
		r.takeBack(e)
		return
	}
	body := &ledger.Stop{Run: e.Run, Reason: e.Reason}
	s := r.env.Out.Sign(ledger.KindStop, body)
	r.env.Out.Save(s)
	r.noteStop(s, body)
}

// noteStop takes a request to end a run; one's own is told to the others.
func (r *Runs) noteStop(s *ledger.Signed, b *ledger.Stop) {
	if !r.stops.note(s, b.Run) {
		return
	}
	r.env.touch()
	if s.From == r.env.Self {
		r.tellStop(s, b.Run)
	}
}

func (r *Runs) tellStop(s *ledger.Signed, run block.CID) {
	r.env.Out.Publish(s, 0, func(uint64) bool { return r.active(run) })
}

func (r *Runs) active(run block.CID) bool {
	of := r.env.Ledger.Run(run)
	return of != nil && of.Active()
}

// wantedClose returns the end of a run if enough sites ask for it.
func (r *Runs) wantedClose(run *ledger.Run) *ledger.Close {
	stops := r.stops[run.ID]
	if len(stops) == 0 || stops[r.env.Ledger.Heir(run.Spec.By)] == nil && len(stops) <= r.env.roster().F() {
		return nil
	}
	c := &ledger.Close{Run: run.ID}
	for _, site := range r.env.roster().Sites() {
		if s := stops[site.ID]; s != nil {
			c.Stops = append(c.Stops, *s)
		}
	}
	return c
}
