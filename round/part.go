package round

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// part is a site's own part in a run: what it knows and holds of the current round. Nothing here
// is the ledger's; another site may see it otherwise.
type part struct {
	self       peer.ID
	run        *ledger.Run
	considered bool // the site was asked whether it takes part
	unsought   bool // updates came while the site did not take part

	sites    map[peer.ID]*contributor
	order    []*contributor           // the same, ascending by site
	offers   map[block.CID][]*update  // theirs, by manifest
	openedAt map[uint64]time.Duration // when each opening began here
	arrivals []time.Duration          // how long updates took, of the last rounds
	usual    time.Duration            // how long nine in ten of them took at most, when this round began; 0: not known yet
	sealedAt time.Duration

	in       int           // sites with an update for a seal formed now
	awaited  int           // sites that may yet offer one of this round
	enough   bool          // they are enough for one
	enoughAt time.Duration // since when
	formed   block.CID     // seal that this site would have decided; undefined: to be formed anew
	lastHeld bool          // the last model of a run that is over has been held here

	training  *Train // under way
	trainAt   time.Duration
	trainWait time.Duration

	reducing block.CID               // the seal being reduced
	models   map[block.CID]block.CID // seal -> model computed here
	bad      map[block.CID]*BadInput // seal -> what could not be aggregated
	diverged map[divergence]bool
}

// part returns this site's part in a run, or nil for a run that the ledger does not have.
func (m *Machine) part(id block.CID) *part {
	if p := m.parts[id]; p != nil {
		return p
	}
	r := m.ledger.Run(id)
	if r == nil {
		return nil
	}
	p := &part{
		self: m.self, run: r, sites: map[peer.ID]*contributor{}, offers: map[block.CID][]*update{}, openedAt: map[uint64]time.Duration{r.Opened: m.now},
		models: map[block.CID]block.CID{}, bad: map[block.CID]*BadInput{}, diverged: map[divergence]bool{},
	}
	m.parts[id] = p
	for _, s := range m.roster.Sites() {
		m.recount(p, p.contributor(s.ID))
	}
	return p
}

func (m *Machine) noteConsent(p *part, s *ledger.Signed, b *ledger.Consent) {
	c := p.contributor(s.From)
	if c.consent != nil {
		if o, _ := ledger.BodyOf[ledger.Consent](c.consent, ledger.KindConsent); o.Serial >= b.Serial {
			return
		}
	}
	c.consent, c.accepts = s, b.Accept
	m.recount(p, c)
}

// Participants returns the sites that have said, as far as this site knows, that they take part in a run.
func (m *Machine) Participants(run block.CID) []peer.ID {
	var ids []peer.ID
	for _, s := range m.roster.Sites() {
		if m.Participates(run, s.ID) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Participates reports whether a site has said, as far as this site knows, that it takes part in a run.
func (m *Machine) Participates(run block.CID, id peer.ID) bool {
	p := m.parts[run]
	return p != nil && m.roster.Has(id) && p.sites[id] != nil && p.sites[id].accepts
}

// Declines reports whether a site has said, as far as this site knows, that it takes no part in a run.
func (m *Machine) Declines(run block.CID, id peer.ID) bool {
	p := m.parts[run]
	return p != nil && p.sites[id] != nil && p.sites[id].said() && !p.sites[id].accepts
}

// accepted reports whether this site takes part.
func (p *part) accepted() bool { return p.sites[p.self] != nil && p.sites[p.self].accepts }

// participates reports whether this site has a use for the updates of a run.
func (m *Machine) participates(p *part) bool { return p.run.Active() && p.accepted() }

// consider is the site's answer on a run.
func (m *Machine) consider(e Considered) {
	p := m.part(e.Run)
	if p == nil || m.observes() {
		return
	}
	serial := uint64(1)
	if old := p.contributor(m.self).consent; old != nil {
		c, _ := ledger.BodyOf[ledger.Consent](old, ledger.KindConsent)
		if c.Accept == e.Accept {
			return
		}
		serial = c.Serial + 1
	}
	body := &ledger.Consent{Run: e.Run, Accept: e.Accept, Serial: serial}
	s := m.sign(ledger.KindConsent, body)
	m.noteConsent(p, s, body)
	m.save(Record{Statement: s})
	m.publishConsent(s, body)
	m.dirty, p.unsought = true, true
	if !e.Accept && p.training != nil {
		p.training = nil
		m.start(StopTrain{e.Run})
	}
}

// publishConsent tells this site's answer on a run to the others. Heads show who lacks it, but not who
// knows an older one only: a changed answer is sent again as long as the run lasts.
func (m *Machine) publishConsent(s *ledger.Signed, b *ledger.Consent) {
	most := uint64(4)
	if b.Serial > 1 {
		most = 0
	}
	m.publish(s, most)
}

// followRuns starts whatever each run needs next.
func (m *Machine) followRuns() {
	for _, r := range m.ledger.Runs() {
		if r.Active() {
			m.followRun(m.part(r.ID), r)
		} else if p := m.part(r.ID); len(r.Commits) > 0 && !p.lastHeld {
			p.lastHeld = m.hold(r.ID, r.Base, r.Spec.Layout) // for a site that did not compute it
		}
	}
}

func (m *Machine) followRun(p *part, r *ledger.Run) {
	if m.observes() {
		m.hold(r.ID, r.Base, r.Spec.Layout)
		return
	}
	if !p.considered {
		p.considered = true
		m.start(Consider{r.ID, r.Spec})
	}
	hasBase := m.hold(r.ID, r.Base, r.Spec.Layout)
	if !p.accepted() {
		return
	}
	if p.unsought {
		p.unsought = false
		for _, c := range p.order {
			for _, u := range c.updates {
				m.seek(p, u)
			}
		}
	}
	latest := r.Latest()
	if latest != nil {
		m.reduce(p, r, latest, hasBase)
	}
	m.train(p, r, latest, hasBase)
}

// model is a model as a run means it: nothing but its layout makes it useless, and only to that run.
type model struct{ manifest, layout block.CID }

// hold reports whether a model is held in full, and has it fetched if not.
func (m *Machine) hold(run, manifest, layout block.CID) bool {
	model := model{manifest, layout}
	if !m.held[model] {
		m.fetch(run, model, "")
	}
	return m.held[model]
}

// holdBase is hold for a run that a site asks for, which may have the others fetch so much and no more.
func (m *Machine) holdBase(run block.CID, spec *ledger.RunSpec) bool {
	model, waits := model{spec.Base, spec.Layout}, 0
	if m.held[model] {
		return true
	}
	for _, by := range m.sought {
		if by == spec.By {
			waits++
		}
	}
	if waits < maxSought {
		m.fetch(run, model, spec.By)
	}
	return false
}

func (m *Machine) fetch(run block.CID, what model, by peer.ID) {
	if _, known := m.sought[what]; !known {
		m.sought[what] = by
		m.start(Fetch{Run: run, Manifest: what.manifest, Layout: what.layout})
	}
}

// train starts this site's training of the round, unless it has offered an update already or one
// is under way that the run's policy lets finish. A site that lost its log may have offered one
// that it does not know of any more: it leaves that opening out, so as not to contradict itself.
func (m *Machine) train(p *part, r *ledger.Run, latest *ledger.SealAt, hasBase bool) {
	if t := p.training; t != nil {
		if m.mayFinish(t, r, latest) {
			return
		}
		p.training = nil
		m.start(StopTrain{r.ID})
	}
	if !hasBase || latest != nil || m.now < p.trainAt || m.muted() || r.Opened < m.mute.until {
		return
	}
	own := p.contributor(m.self).offer(r.Opened)
	if own != nil {
		if at, ok := m.trainOn(p, own); !ok || m.now < at || m.coming(p) >= r.Spec.Needed(m.roster) {
			return
		}
	}
	next := Train{Run: r.ID, Spec: r.Spec, Round: r.Round, Opened: r.Opened, Attempt: 1, Base: r.Base}
	if own != nil {
		next.Attempt, next.From = own.Attempt+1, own.Manifest
	}
	p.training = &next
	m.start(next)
	said := Trace{Event: "train", Run: r.ID, Round: r.Round}
	if next.Attempt > 1 {
		said.Text = fmt.Sprintf("on from its own update while too few are in: attempt %d of %d", next.Attempt, r.Spec.Attempts)
	}
	m.trace(said)
}

// mayFinish reports whether a training under way can still yield an update that counts.
func (m *Machine) mayFinish(t *Train, r *ledger.Run, latest *ledger.SealAt) bool {
	carry := r.Spec.Late == ledger.Carry && !m.ledger.JoinedAfter(m.self, t.Opened)
	if t.Opened == r.Opened && (latest == nil || carry && !slices.Contains(latest.Contributors(), m.self)) {
		return true
	}
	stale := r.Round - t.Round
	return carry && stale > 0 && stale <= r.Spec.LateMax && t.Round > r.Counted[m.self]
}

// trainOn returns when a site whose update is out trains on from it, if too few updates are in for a seal
// or on their way then: after as long as the update took, up to the run's attempts.
func (m *Machine) trainOn(p *part, own *update) (time.Duration, bool) {
	r := p.run
	if !own.held || own.Attempt >= r.Spec.Attempts || r.Latest() != nil || p.enough {
		return 0, false
	}
	return own.at + max(own.at-p.openedAt[r.Opened], m.cfg.Timing.Deadline), true
}

// coming counts the sites whose updates are in, or announced by sites that can be reached: those are being
// fetched, and another attempt would only have everybody fetch again.
func (m *Machine) coming(p *part) (n int) {
	for _, c := range p.order {
		u := c.offer(p.run.Opened)
		if c.best != nil || u != nil && u.invalid == "" && m.neighbour(c.id).connected {
			n++
		}
	}
	return n
}

func (m *Machine) trained(e Trained) {
	p := m.parts[e.Run]
	if p == nil || p.training == nil || p.training.Opened != e.Opened {
		m.start(Forget{Run: e.Run, Manifest: e.Manifest, Update: true})
		return
	}
	u := &ledger.Update{
		Run: e.Run, Round: e.Round, Opened: e.Opened, Attempt: e.Attempt, Base: p.training.Base,
		Manifest: e.Manifest, Samples: e.Samples, Metrics: e.Metrics,
	}
	p.training, p.trainWait = nil, 0
	m.dirty = true
	if u.Metrics == nil {
		u.Metrics = map[string]float64{}
	}
	if len(u.Metrics) > 0 && m.sign(ledger.KindUpdate, u).Size() > m.roster.UpdateBytes() {
		m.trace(Trace{Event: "metrics dropped", Run: e.Run, Round: e.Round, Text: "too many for a mesh of so many sites"})
		u.Metrics = map[string]float64{}
	}
	if err := u.Check(); err != nil {
		m.trace(Trace{Event: "train failed", Run: e.Run, Round: e.Round, Text: err.Error()})
		m.retryTraining(p)
		return
	}
	if _, err := m.ledger.Staleness(p.run, m.sign(ledger.KindUpdate, u)); err != nil || !p.run.Active() {
		m.start(Forget{Run: e.Run, Manifest: e.Manifest, Update: true})
		return
	}
	s := m.sign(ledger.KindUpdate, u)
	m.save(Record{Statement: s})
	if err := m.noteUpdate(p, s); err != nil {
		return
	}
	if own := p.contributor(m.self).find(u.Opened, u.Manifest); own != nil {
		m.hasUpdate(p, own)
	}
	m.trace(Trace{Event: "announce", Run: e.Run, Round: e.Round, Model: e.Manifest})
}

func (m *Machine) trainFailed(e TrainFailed) {
	p := m.parts[e.Run]
	if p == nil || p.training == nil || p.training.Opened != e.Opened {
		return
	}
	p.training = nil
	m.trace(Trace{Event: "train failed", Run: e.Run, Round: e.Round, Text: e.Err})
	m.retryTraining(p)
}

func (m *Machine) retryTraining(p *part) {
	p.trainWait = max(m.cfg.Timing.Retry, 2*p.trainWait)
	p.trainAt = m.now + min(p.trainWait, 5*time.Minute)
	m.dirty = true
}

// reduce starts the computation of the new model once all that a seal lists is held.
func (m *Machine) reduce(p *part, r *ledger.Run, latest *ledger.SealAt, hasBase bool) {
	if !hasBase || p.reducing == latest.CID || p.models[latest.CID].Defined() || p.bad[latest.CID] != nil || !p.holdsAll(latest.Seal) {
		return
	}
	j := Reduce{Run: r.ID, Round: r.Round, Seal: latest.CID, Base: r.Base, Inputs: latest.Inputs()}
	for _, in := range j.Inputs {
		if in.Base.Defined() && !m.hold(r.ID, in.Base, r.Spec.Layout) {
			return
		}
	}
	p.reducing = latest.CID
	m.start(j)
	m.trace(Trace{Event: "reduce", Run: r.ID, Round: r.Round, Entry: latest.CID})
}

func (m *Machine) reduced(e Reduced) {
	for _, r := range m.ledger.Runs() {
		p := m.parts[r.ID]
		if p == nil || p.reducing != e.Seal {
			continue
		}
		p.reducing = block.CID{}
		m.dirty = true
		if e.Bad != nil {
			p.bad[e.Seal] = e.Bad
			m.trace(Trace{Event: "bad input", Run: p.run.ID, Round: p.run.Round, Site: e.Bad.Site, Entry: e.Seal, Model: e.Bad.Shard, Text: e.Bad.Err})
			return
		}
		p.models[e.Seal] = e.Model
		m.held[model{e.Model, r.Spec.Layout}] = true
		m.trace(Trace{Event: "reduced", Run: p.run.ID, Round: p.run.Round, Entry: e.Seal, Model: e.Model})
		for _, id := range m.height.order() {
			c := m.height.candidates[id]
			if c.entry == nil {
				continue
			}
			if commit := ledger.As[ledger.Commit](c.entry); commit != nil && commit.Seal == e.Seal {
				for _, site := range m.roster.Sites() {
					if c.ready[site.ID] && site.ID != m.self {
						m.compare(site.ID, c)
					}
				}
			}
		}
	}
}

// follow turns this site's parts to what an entry has decided.
func (m *Machine) follow(e *ledger.Entry) {
	switch e.Body.(type) {
	case *ledger.Open:
		m.asked = slices.DeleteFunc(m.asked, func(s *ledger.Signed) bool { return block.Sum(block.DagCBOR, s.Body) == e.Run() })
	case *ledger.Changed:
		m.followChanged(e)
		return
	}
	p := m.part(e.Run())
	r := p.run
	switch b := e.Body.(type) {
	case *ledger.Seal:
		p.sealedAt = m.now
		m.noteSealed(p, b)
		if b.Ground != nil {
			m.recountAll(p)
		}
	case *ledger.Void:
		m.dropUpdates(p, nil)
		m.reopen(p, r)
	case *ledger.Commit:
		sealed := r.Commits[len(r.Commits)-1].Sealed
		if own := p.models[b.Seal]; own.Defined() && own != b.Model {
			m.trace(Trace{Event: "diverged", Site: m.self, Run: r.ID, Round: b.Round, Entry: own, Model: b.Model, Text: "the mesh committed another model than this site computed: check this machine"})
			delete(m.held, model{own, r.Spec.Layout})
			m.start(Forget{Run: r.ID, Manifest: own})
		}
		m.dropUpdates(p, sealed)
		m.reopen(p, r)
	}
	if !r.Active() {
		if p.training != nil {
			p.training = nil
			m.start(StopTrain{r.ID})
		}
		m.dropUpdates(p, nil)
	}
}

// reopen begins the next round, or the same again.
func (m *Machine) reopen(p *part, r *ledger.Run) {
	p.openedAt[r.Opened] = m.now
	if len(p.openedAt) > ledger.MaxStale+2 { // no older update can count
		delete(p.openedAt, slices.Min(slices.Collect(maps.Keys(p.openedAt))))
	}
	p.lookBack(r.Spec.Needed(m.roster))
	p.enough = false // only since now
	m.noteEnough(p)
	p.trainAt, p.trainWait = 0, 0
	p.reducing = block.CID{}
	p.formed = block.CID{}
	clear(p.models)
	clear(p.bad)
	clear(p.diverged)
}
