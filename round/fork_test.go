package round

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// TestFork: two entries are certified at a height, as only too many liars can do. A site that has decided
// one says so and names who signed both once it is shown the other, and shows its own, once.
func TestFork(t *testing.T) {
	env := newEnv(t, 4, ledger.Byzantine)
	g, m := env.genesis, env.sites[0].Machine
	certified := func(name string, view uint64, signers ...int) ledger.Certified {
		spec := env.spec(1)
		spec.Name = name
		by := func(i int) func([]byte) []byte {
			return func(data []byte) []byte { return testSign(g.Sites[i].ID, data) }
		}
		e := &ledger.Entry{Mesh: m.ledger.Mesh(), Height: 1, Parent: m.ledger.Mesh(), Body: &ledger.Open{Spec: *ledger.Sign(m.ledger.Mesh(), spec.By, ledger.KindOpen, spec, by(0))}}
		c := ledger.Certificate{Mesh: m.ledger.Mesh(), Height: 1, View: view, Entry: e.CID()}
		for _, i := range signers {
			s := ledger.Sign(m.ledger.Mesh(), g.Sites[i].ID, ledger.KindPrecommit, &ledger.Vote{Height: 1, View: view, Entry: e.CID()}, by(i))
			c.Votes = append(c.Votes, ledger.CertVote{From: s.From, Sig: s.Sig})
		}
		return ledger.Certified{Entry: e.Block().Data, Certificate: c}
	}
	from := g.Sites[3].ID
	told := func(ev Event) Work {
		m.Step(m.out.now+time.Second, ev)
		return m.Ready()
	}
	one, two := certified("one", 0, 0, 1, 2), certified("two", 0, 1, 2, 3)
	told(Received{From: from, Message: &Message{Certified: []ledger.Certified{one}}})

	w := told(Received{From: from, Message: &Message{Head: &Head{Height: 1, Entry: m.ledger.Mesh()}}})
	if traced(w, "fork") > 0 {
		t.Error("believes a head, which nobody has signed")
	}
	if shown(w, one) != 1 {
		t.Error("does not show its certificate to a site whose head is elsewhere")
	}

	w = told(Received{From: from, Message: &Message{Certified: []ledger.Certified{certified("two", 0, 1, 2)}}})
	if traced(w, "fork") > 0 || len(m.Named()) > 0 {
		t.Error("believes a certificate that is none")
	}
	w = told(Received{From: from, Message: &Message{Certified: []ledger.Certified{two}}})
	if traced(w, "fork") != 1 || shown(w, one) != 1 {
		t.Errorf("%d lines of a fork, shows its own certificate %d times; want each once", traced(w, "fork"), shown(w, one))
	}
	if named := m.Named(); len(named) != 2 || named[0] != g.Sites[1].ID || named[1] != g.Sites[2].ID {
		t.Errorf("names %v, want the two that signed both", named)
	}
	w = told(Received{From: from, Message: &Message{Certified: []ledger.Certified{two}}})
	if traced(w, "fork") > 0 || shown(w, one) > 0 {
		t.Error("the same again is news")
	}
	if m.ledger.Head() != one.Certificate.Entry {
		t.Error("has changed sides")
	}
}

// TestCertificateAgainstVote: a site that was shown one precommit and then gets a certificate with another
// of the same site, in the same view, names it.
func TestCertificateAgainstVote(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	m := e.sites[0].Machine
	sign := func(i int, kind ledger.Kind, body ledger.Body) *ledger.Signed {
		id := e.genesis.Sites[i].ID
		return ledger.Sign(m.ledger.Mesh(), id, kind, body, func(data []byte) []byte { return testSign(id, data) })
	}
	entry := &ledger.Entry{Mesh: m.ledger.Mesh(), Height: 1, Parent: m.ledger.Mesh(), Body: &ledger.Open{Spec: *m.out.Sign(ledger.KindOpen, e.spec(1))}}
	cert := ledger.Certificate{Mesh: m.ledger.Mesh(), Height: 1, Entry: entry.CID()}
	for i := 1; i < 4; i++ {
		s := sign(i, ledger.KindPrecommit, &ledger.Vote{Height: 1, Entry: entry.CID()})
		cert.Votes = append(cert.Votes, ledger.CertVote{From: s.From, Sig: s.Sig})
	}
	for i, vote := range map[int]*ledger.Vote{1: {Height: 1, Entry: entry.CID()}, 2: {Height: 1, View: 1}, 3: {Height: 1}} {
		m.Step(0, Received{From: e.genesis.Sites[i].ID, Message: &Message{Statement: sign(i, ledger.KindPrecommit, vote)}})
	}
	m.Step(0, Received{From: e.genesis.Sites[1].ID, Message: &Message{Certified: []ledger.Certified{{Entry: entry.Block().Data, Certificate: cert}}}})
	if named := m.Named(); m.ledger.Height() != 1 || len(named) != 1 || named[0] != e.genesis.Sites[3].ID {
		t.Errorf("height %d, names %v: want the one that voted nil and for the entry in one view", m.ledger.Height(), named)
	}
}

// TestForkOfTwoViews: who signs two entries in two views may be honest as far as two certificates tell.
func TestForkOfTwoViews(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	ours := &ledger.Certificate{Mesh: e.sites[0].ledger.Mesh(), Height: 1, View: 0, Votes: []ledger.CertVote{{From: e.genesis.Sites[1].ID}}}
	theirs := *ours
	theirs.View = 1
	m := e.sites[0].Machine
	spec := e.spec(1)
	entry := &ledger.Entry{Mesh: m.ledger.Mesh(), Height: 1, Parent: m.ledger.Mesh(), Body: &ledger.Open{Spec: *m.out.Sign(ledger.KindOpen, spec)}}
	m.ledger.Apply(entry, ours)
	m.fork(e.genesis.Sites[1].ID, &ledger.Entry{Height: 1}, &theirs)
	if len(m.Named()) > 0 {
		t.Error("names a site that may be honest")
	}
	if traced(m.Ready(), "fork") != 1 {
		t.Error("does not say that the ledger has forked")
	}
}

func traced(w Work, kind trace.Kind) (n int) {
	for _, t := range w.Trace {
		if t.Kind() == kind {
			n++
		}
	}
	return n
}

// shown counts how often a certified entry is sent.
func shown(w Work, c ledger.Certified) (n int) {
	for _, s := range w.Send {
		for _, sent := range s.Message.Certified {
			if sent.Certificate.Entry == c.Certificate.Entry {
				n++
			}
		}
	}
	return n
}
