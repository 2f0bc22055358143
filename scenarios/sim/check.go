package sim

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// The promises of the protocol, as violations name them.
const (
	PromiseOneEntry  = "one certified entry a height"
	PromiseQuorum    = "a certificate is a quorum's signatures"
	PromiseOneModel  = "a committed model is the one that the sealed updates give"
	PromiseCounted   = "an update counts once"
	PromiseHeld      = "what is committed can be fetched"
	PromiseOneVote   = "no site signs twice for one place"
	PromiseBounded   = "queues are bounded"
	PromiseProgress  = "with a quorum connected a height ends, and the run resumes"
	PromiseNamed     = "who signs twice is named by all"
	PromiseNotBlamed = "no honest site is named"
	PromiseMember    = "who is not in the roster says nothing that counts"
	PromiseApproved  = "the roster changes as a quorum of it has approved"
	PromiseCause     = "nobody is dropped without cause"
	PromiseBest      = "the best model is the one that the certified figures give, and no majority's gain is invented"
	PromiseCross     = "what is said of an update has been found of it, and its site permits that"
	PromiseConsented = "a run opens once a quorum has consented, and nobody fetches a model before"
	PromiseShare     = "no f sites have more than half of a round's weight"
	PromiseIncluded  = "no valid update that all hold in time is left out twice"
)

// checker holds the promises. It sees the sites from outside, and derives what must be from the
// entries alone; it asks no machine what is right.
type checker struct {
	w       *World
	mesh    block.CID
	chain   []certified      // by height-1
	members []peer.ID        // the roster after the newest of them
	ever    map[peer.ID]bool // who is or was in one
	version uint64           // changes so far
	seals   map[block.CID]*ledger.Entry
	bases   map[block.CID][]block.CID // run -> its models: base, then each commit's
	boxed   map[block.CID]bool        // runs with a round time
	carries map[block.CID]bool        // runs whose late updates count from their own bases
	states  map[block.CID]block.CID   // run -> the outer step's state after its newest commit
	newest  []block.CID               // committed model, and the state with it
	counted map[counted]uint64        // round of the newest update that went into a model
	spoken  map[place]uint64          // what honest sites have sent, by place
	calm    calm
	witness witness
	left    leftOut
	dropped dropped
	regrets regrets
	best    selection
	cross   crossed
}

// certified is a decided entry as the first site had it.
type certified struct {
	cid    block.CID
	roster []peer.ID // in force at its height
}

// place is where a site may speak once.
type place struct {
	site   int
	kind   ledger.Kind
	run    block.CID // of an update
	height uint64    // or an update's opening
	view   uint64    // or an update's attempt
}

func newChecker(w *World) *checker {
	c := &checker{
		w: w, mesh: w.genesis.Block().CID, seals: map[block.CID]*ledger.Entry{}, bases: map[block.CID][]block.CID{}, boxed: map[block.CID]bool{}, carries: map[block.CID]bool{}, states: map[block.CID]block.CID{},
		spoken: map[place]uint64{}, counted: map[counted]uint64{}, ever: map[peer.ID]bool{},
	}
	for _, site := range w.genesis.Sites {
		c.members = append(c.members, site.ID)
		c.ever[site.ID] = true
	}
	c.calm.of(w)
	c.witness.of(c)
	c.left.of(c)
	c.dropped.of(c)
	c.regrets.of(c)
	c.best.of(c)
	c.cross.of(c)
	return c
}

// event is called after each event of the world.
func (c *checker) event() { c.calm.event() }

// sees looks at a line of a site's trace.
func (c *checker) sees(s *site, t trace.Event) {
	if s.liar == nil {
		c.calm.sees(s, t)
		c.left.sees(t)
		c.regrets.sees(s, t)
	}
}

// settled holds what must be true at the end.
func (c *checker) settled() {
	c.witness.settled()
	c.best.settled()
	c.unwanted()
}

// saving sees what a site is about to make durable.
func (c *checker) saving(s *site, records []round.Record) {
	for _, r := range records {
		if r.Decided != nil {
			c.decided(s, r.Decided)
		}
	}
}

// decided holds a site's decision against those of all others.
func (c *checker) decided(s *site, d *ledger.Certified) {
	if s.liar != nil {
		return // its ledger is its own affair
	}
	e, err := ledger.DecodeEntry(d.Entry)
	if err != nil {
		c.w.fail(s.i, PromiseOneEntry, err.Error())
		return
	}
	if n := uint64(len(c.chain)); e.Height == n+1 {
		c.extend(s, e)
	} else if e.Height > n+1 {
		c.w.fail(s.i, PromiseOneEntry, fmt.Sprintf("height %d decided before %d", e.Height, n+1))
		return
	}
	at := c.chain[e.Height-1]
	if at.cid != e.CID() {
		c.w.fail(s.i, PromiseOneEntry, fmt.Sprintf("height %d: %s here, another entry elsewhere", e.Height, e))
		return
	}
	c.certificate(s, e, &d.Certificate, at.roster)
	c.best.agrees(s, e)
	c.calm.decided(e.Height)
	c.regrets.decided(s, e.Height)
}

// certificate counts the valid signatures of a certificate by itself.
func (c *checker) certificate(s *site, e *ledger.Entry, cert *ledger.Certificate, roster []peer.ID) {
	data := c.signed(ledger.KindPrecommit, block.Encode(ledger.Vote{Height: e.Height, View: cert.View, Entry: e.CID()}))
	good := 0
	for _, id := range roster {
		for _, v := range cert.Votes {
			if v.From == id && verify(id, data, v.Sig) {
				good++
				break
			}
		}
	}
	if q := c.quorum(len(roster)); good < q || good != len(cert.Votes) {
		c.w.fail(s.i, PromiseQuorum, fmt.Sprintf("height %d: %d good signatures of %d, a quorum of %d sites is %d", e.Height, good, len(cert.Votes), len(roster), q))
	}
}

// signed returns the bytes that a statement's signature covers, as docs/protocol.md has them.
func (c *checker) signed(kind ledger.Kind, body []byte) []byte {
	b := append([]byte("weft/statement/1\x00"), c.mesh.Bytes()...)
	b = append(b, byte(len(kind)))
	b = append(b, kind...)
	return append(b, body...)
}

// faulty returns f: how many liars a roster of n withstands.
func (c *checker) faulty(n int) int {
	if c.w.cfg.Faults == ledger.Crash {
		return 0
	}
	return (n - 1) / 3
}

func (c *checker) quorum(n int) int { return (n+c.faulty(n))/2 + 1 }

// extend takes the first decision of a height.
func (c *checker) extend(s *site, e *ledger.Entry) {
	c.chain = append(c.chain, certified{e.CID(), c.members})
	switch b := e.Body.(type) {
	case *ledger.Open:
		body, err := b.Spec.Open()
		if err != nil {
			c.w.fail(s.i, PromiseOneEntry, err.Error())
			return
		}
		c.consented(s, e.Run(), b)
		c.bases[e.Run()] = []block.CID{body.(*ledger.RunSpec).Base}
		c.states[e.Run()] = body.(*ledger.RunSpec).Strategy.State()
		paced, err := body.(*ledger.RunSpec).Pace.Read()
		c.boxed[e.Run()] = err == nil && paced.RoundTime > 0
		c.carries[e.Run()] = body.(*ledger.RunSpec).Late == ledger.Carry
		c.best.opened(e.Run(), body.(*ledger.RunSpec))
	case *ledger.Seal:
		c.seals[e.CID()] = e
		c.shares(s, b)
		c.left.sealed(b)
		c.dropped.sealed(b)
		c.best.sealed(b)
	case *ledger.Void:
		c.dropped.without(b.Run, &b.Ground)
	case *ledger.Commit:
		c.committed(s, b)
	case *ledger.Closing:
		c.best.closed(b)
		c.cross.closed(b)
	case *ledger.Changed:
		c.approved(s, b)
		c.changed(b)
		c.best.changed(&b.Change)
	}
}

// committed computes the model that the seal gives, and looks for who holds it.
func (c *checker) committed(s *site, m *ledger.Commit) {
	sealed := c.seals[m.Seal]
	if sealed == nil {
		c.w.fail(s.i, PromiseOneModel, fmt.Sprintf("round %d: commit of a seal that was not decided", m.Round))
		return
	}
	models := c.bases[m.Run]
	if uint64(len(models)) != m.Round {
		c.w.fail(s.i, PromiseOneModel, fmt.Sprintf("round %d committed after %d rounds", m.Round, len(models)-1))
		return
	}
	j := runs.Reduce{Run: m.Run, Round: m.Round, Seal: m.Seal, Base: models[m.Round-1], State: c.states[m.Run]}
	updates := ledger.As[ledger.Seal](sealed).Updates
	for i := range updates {
		u := &updates[i]
		body := u.Update.Update()
		c.count(m, u.Update.From, body.Round)
		in := ledger.Input{Site: u.Update.From, Manifest: body.Manifest, Weight: u.Weight}
		if body.Round != m.Round && c.carries[m.Run] {
			in.Base = body.Base
		}
		if body.Round == m.Round && c.boxed[m.Run] {
			in.Steps, _ = body.Steps.Read()
		}
		j.Inputs = append(j.Inputs, in)
	}
	want, err := c.w.cfg.Workload.Reduce(j)
	if err != nil || want.Bad != nil || want.Model.Manifest != m.Model {
		c.w.fail(s.i, PromiseOneModel, fmt.Sprintf("round %d: committed %s, the seal gives %s (%v, %v)", m.Round, m.Model, want.Model.Manifest, want.Bad, err))
	}
	if want.State.Manifest != m.State {
		c.w.fail(s.i, PromiseOneModel, fmt.Sprintf("round %d: committed with state %s, the seal gives %s", m.Round, m.State, want.State.Manifest))
	}
	c.bases[m.Run], c.states[m.Run] = append(models, m.Model), m.State
	c.best.committed(m, ledger.As[ledger.Seal](sealed))
	c.cross.committed(m, ledger.As[ledger.Seal](sealed))
	c.newest = []block.CID{m.Model}
	if m.State.Defined() {
		c.newest = append(c.newest, m.State)
	}
	for _, artifact := range c.newest {
		c.held(artifact)
	}
}

// count notes that a site's update of a round went into a model.
func (c *checker) count(m *ledger.Commit, from peer.ID, round uint64) {
	key := counted{m.Run, from}
	if round <= c.counted[key] {
		c.w.fail(-1, PromiseCounted, fmt.Sprintf("round %d: an update of round %d, after one of round %d", m.Round, round, c.counted[key]))
	}
	c.counted[key] = round
}

// counted is a site in a run.
type counted struct {
	run  block.CID
	site peer.ID
}

// held holds that an honest site has a committed model or state on its disk.
func (c *checker) held(artifact block.CID) {
	for _, o := range c.w.holders[artifact] {
		if o.liar == nil {
			return
		}
	}
	c.w.fail(-1, PromiseHeld, fmt.Sprintf("no honest site holds %s", artifact))
}

// gone looks whether what a site has lost is still held elsewhere.
func (c *checker) gone(*site) {
	for _, artifact := range c.newest {
		c.held(artifact)
	}
}

// sends sees what an honest site tells the others.
func (c *checker) sends(s *site, m *round.Message) {
	if m.Statement == nil || m.Statement.From != s.id {
		return
	}
	if m.Statement.Kind == ledger.KindApprove && !s.wants[block.Sum(block.DagCBOR, m.Statement.Body)] {
		c.w.fail(s.i, PromiseApproved, "it approves of what its operator has not approved of")
	}
	at, ok := placeOf(s.i, m.Statement)
	if !ok {
		return
	}
	if !c.maySpeak(s, at) {
		c.w.fail(s.i, PromiseMember, fmt.Sprintf("it says %s for height %d", at.kind, at.height))
	}
	if at.kind == ledger.KindUpdate && s.rolled {
		return // it may have trained again for the same place: that is no lie
	}
	sum := xxhash.Sum64(m.Statement.Body)
	if old, spoke := c.spoken[at]; spoke && old != sum {
		c.w.fail(s.i, PromiseOneVote, fmt.Sprintf("two statements %s for height %d view %d", at.kind, at.height, at.view))
	}
	c.spoken[at] = sum
}

// placeOf returns the place that a statement takes, if its kind has places.
func placeOf(author int, s *ledger.Signed) (place, bool) {
	body, err := s.Open()
	if err != nil {
		return place{}, false
	}
	switch b := body.(type) {
	case *ledger.Vote:
		return place{site: author, kind: s.Kind, height: b.Height, view: b.View}, true
	case *consensus.Proposal:
		return place{site: author, kind: s.Kind, height: b.Height, view: b.View}, true
	case *ledger.Update:
		return place{site: author, kind: s.Kind, run: b.Run, height: b.Opened, view: b.Attempt}, true
	}
	return place{}, false
}

// what returns what a statement says in its place: a proposal may come with different proofs.
func what(s *ledger.Signed) []byte {
	if s.Kind == consensus.KindProposal {
		body, _ := s.Open()
		return body.(*consensus.Proposal).Entry
	}
	return s.Body
}

// digest returns a short name of what a statement says.
func digest(s *ledger.Signed) uint64 { return xxhash.Sum64(what(s)) }
