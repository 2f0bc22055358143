package sim

import (
	"encoding/binary"
	"fmt"
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

// World is a mesh in virtual time. It belongs to one goroutine.
type World struct {
	cfg     Config
	genesis *ledger.Genesis
	now     time.Duration
	queue   queue
	sites   []*site
	index   map[peer.ID]int
	net     *network
	rng     *rand.Rand // of the world's own chances; the network has another
	holders map[block.CID][]*site
	waiting map[block.CID][]*fetch // for somebody to hold it
	pending []*pendingFault        // that wait for a round
	effects map[FaultKind]effect
	intents []*intent // of the operators, for the roster
	rounds  uint64    // newest that a site has opened, over all runs
	check   *checker  // nil: nothing is held
	failed  error
	steps   uint64
}

// New returns the world before anything has happened.
func New(c Config) (*World, error) {
	if c.Timing == (round.Timing{}) {
		c.Timing = round.DefaultTiming()
	}
	if c.Workload == nil {
		c.Workload = &Synthetic{Bytes: 1e6, Time: 10 * time.Second, Spread: 0.2}
	}
	if c.Path == nil {
		c.Path = func(int, int) Path { return LAN }
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	w := &World{
		cfg: c, index: map[peer.ID]int{}, rng: rand.New(rand.NewPCG(c.Seed, 1)),
		holders: map[block.CID][]*site{}, waiting: map[block.CID][]*fetch{}, effects: newEffects(),
	}
	var roster []ledger.Site
	for i, s := range c.Sites {
		id, err := siteID(s.Name)
		if err != nil {
			return nil, err
		}
		if _, twice := w.index[id]; twice {
			return nil, fmt.Errorf("simulate: two sites are named %q", s.Name)
		}
		w.index[id] = i
		w.sites = append(w.sites, newSite(w, i, id, s))
		if !s.Outside {
			roster = append(roster, ledger.Site{ID: id, Name: s.Name})
		}
	}
	nonce := block.Sum(block.Raw, binary.BigEndian.AppendUint64(nil, c.Seed)).Digest()
	var err error
	if w.genesis, err = ledger.NewGenesis("simulated", c.Faults, roster, nonce[:16]); err != nil {
		return nil, err
	}
	if c.Protocol > 0 {
		w.genesis.Under(c.Protocol, ledger.NewestWeft)
	}
	w.net = newNetwork(w)
	if c.Check {
		w.check = newChecker(w)
	}
	w.schedule()
	return w, nil
}

// schedule puts all that Config says into the queue.
func (w *World) schedule() {
	for _, s := range w.sites {
		w.at(s.Start, func() { s.boot() })
	}
	for _, a := range w.cfg.Acts {
		w.at(a.At, func() { w.act(w.sites[a.Site], a.Do) })
	}
	for i := range w.cfg.Plan {
		w.plan(&w.cfg.Plan[i])
	}
}

// at schedules what happens at a time; one that has passed is now.
func (w *World) at(t time.Duration, do func()) { w.queue.push(event{at: max(t, w.now), do: do}) }

// after schedules what happens after a while.
func (w *World) after(d time.Duration, do func()) { w.at(w.now+d, do) }

// Run lets the world go on until a time, or until done says so; it is asked after each event that
// has changed a ledger. It returns the *Violation of a check, if one failed.
func (w *World) Run(until time.Duration, done func() bool) error {
	heights := w.heights()
	for w.failed == nil && len(w.queue.heap) > 0 && w.queue.heap[0].at <= until {
		h := w.queue.pop()
		w.now = h.at
		w.steps++
		switch {
		case h.do != nil:
			h.do()
		case h.to.life == h.life && h.to.up && w.net.arrives(int(h.from), h.to):
			h.to.arrives(h.ev)
		}
		if w.check != nil {
			w.check.event()
		}
		if now := w.heights(); now != heights {
			heights = now
			if done != nil && done() {
				return w.failed
			}
		}
	}
	if w.failed == nil {
		w.now = max(w.now, until)
	}
	return w.failed
}

// Settle holds, at the end of a run, the promises that need time to come true; call it some time after
// the last fault was mended.
func (w *World) Settle() error {
	if w.check != nil && w.failed == nil {
		w.check.settled()
	}
	return w.failed
}

// heights changes whenever a ledger has.
func (w *World) heights() uint64 { return w.net.decided }

// act does what an operator does, at once or after the site's next start.
func (w *World) act(s *site, ev round.Event) {
	if !s.up {
		s.acts = append(s.acts, ev)
		return
	}
	if open, ok := ev.(runs.OpenRun); ok {
		spec := *open.Spec
		spec.By = s.id
		if a, ok := w.cfg.Workload.Describe(spec.Base); ok {
			s.holdModel(a.Manifest)
		}
		ev = runs.OpenRun{Spec: &spec}
	}
	s.happen(ev)
}

// observe passes a line of the trace on.
func (w *World) observe(site int, t trace.Event) {
	if w.cfg.Observe != nil {
		w.cfg.Observe(w.now, site, t)
	}
}

// Now returns the time in the world.
func (w *World) Now() time.Duration { return w.now }

// Events returns how many events have happened.
func (w *World) Events() uint64 { return w.steps }

// ID returns a site's peer ID.
func (w *World) ID(site int) peer.ID { return w.sites[site].id }

// Up reports whether a site runs.
func (w *World) Up(site int) bool { return w.sites[site].up }

// Honest reports whether a site has no adversary and has not lost its disk.
func (w *World) Honest(site int) bool { return w.sites[site].honest() }

// Machine returns a site's machine for reading; nil before its first start. While the site is down it
// is the machine as it was.
func (w *World) Machine(site int) *round.Machine { return w.sites[site].machine }

// Holds reports whether a site holds an artifact in full.
func (w *World) Holds(site int, manifest block.CID) bool { return w.sites[site].has(manifest) }

// Genesis returns the mesh's genesis.
func (w *World) Genesis() *ledger.Genesis { return w.genesis }

// Finished reports whether every site that runs has done all rounds of all runs that any site knows, and the roster
// is what the operators wanted. Liars may stand where they like, and so may who is in no roster; and they need not join.
func (w *World) Finished() bool {
	newest := w.newest()
	if newest == nil || !w.Fulfilled() {
		return false
	}
	for _, s := range w.sites {
		if !s.up || s.liar != nil || !newest.Roster().Has(s.id) {
			continue
		}
		l := s.machine.Ledger()
		if l.Height() < newest.Height() || len(l.Runs()) == 0 || w.unopened(l) {
			return false
		}
		for _, r := range l.Runs() {
			if r.Active() && !w.ofLiar(r) {
				return false
			}
		}
	}
	return true
}

// ofLiar reports whether a run is a liar's that consented to it in the names of its friends: it may wait for their updates for ever.
func (w *World) ofLiar(r *ledger.Run) bool {
	i, known := w.index[r.Spec.By]
	return r.Asked && known && w.sites[i].liar != nil
}

// unopened reports whether a run that an operator has asked for is not open.
func (w *World) unopened(l *ledger.Ledger) bool {
	return slices.ContainsFunc(w.cfg.Acts, func(a Act) bool {
		open, is := a.Do.(runs.OpenRun)
		return is && !slices.ContainsFunc(l.Runs(), func(r *ledger.Run) bool {
			return r.Spec.Name == open.Spec.Name && r.Spec.By == w.sites[a.Site].id
		})
	})
}
