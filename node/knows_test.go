package node

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
)

// knowsMedian is the Knows of a later version, which has another rule.
func knowsMedian(spec *ledger.RunSpec) (aggregate.Strategy, uint64, error) {
	if spec.Rule == "median" {
		return aggregate.Strategy{}, 1, nil
	}
	return reduction.KnownNames(spec)
}

// TestUnknownRule: a site whose program does not know a run's rule follows the ledger through all that the run comes to, takes
// no part in it, and says why.
func TestUnknownRule(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, nil)
	for _, s := range sites[:3] {
		s.knows = knowsMedian
	}
	upAll(sites)
	a, c, d := sites[0], sites[2], sites[3]
	run := a.start(ledger.RunSpec{Name: "medians", Rounds: 50, MinSites: 2, Rule: "median"})
	const why = `unknown rule "median"; this weft knows clip, fedavg`
	st := d.await("the run", func(st *api.Status) bool { return len(runOf(st, run).History) >= 1 })
	if r := runOf(st, run); r.Unknown != why || r.Phase != api.PhaseDeclined || len(st.Pending) > 0 {
		t.Errorf("it says %q of the run, %s, and asks of %d", r.Unknown, r.Phase, len(st.Pending))
	}
	if err := d.client.Consent(t.Context(), run, api.Consent{Accept: true}); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("its operator's yes: %v", err)
	}
	var refused *api.Error
	if _, err := d.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "own", Rounds: 1, Rule: "median"}, Init: true}); !errors.As(err, &refused) || refused.Field != "rule" || refused.Message != why {
		t.Errorf("it would open such a run: %v", err)
	}

	rounds := len(runOf(st, run).History)
	d.await("another commit", func(st *api.Status) bool { return len(runOf(st, run).History) > rounds })

	// One that took part starts an older program: it leaves the run.
	c.down()
	c.knows = nil
	c.up(sites...)
	a.await("that c declines", func(st *api.Status) bool { return slices.Contains(runOf(st, run).Declined, "c") })
	if r := runOf(c.await("its run", func(st *api.Status) bool { return runOf(st, run).ID == run }), run); r.Unknown != why {
		t.Errorf("c says %q", r.Unknown)
	}

	if err := a.client.Stop(t.Context(), run, api.Stop{Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	d.await("the end", func(st *api.Status) bool { return runOf(st, run).Phase == api.PhaseStopped })
	d.down()
	report, err := archive.Verify(d.dir)
	if err != nil || len(report.Runs) != 1 || !report.Runs[0].Closed || len(report.Models) <= rounds {
		t.Errorf("its ledger: %+v, %v", report, err)
	}
	for _, got := range recomputed(t, d.dir, block.CID{}) {
		if got != (archive.Recomputed{Outcome: archive.Unknown, Why: why}) {
			t.Errorf("recomputed: %+v", got)
		}
	}
}

// TestOlderSites: a node does not ask for a run that, as its head says, a site's program is too old for.
func TestOlderSites(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	a := sites[0]
	a.knows = func(*ledger.RunSpec) (aggregate.Strategy, uint64, error) {
		return aggregate.Strategy{}, ledger.Newest + 1, nil
	}
	upAll(sites)
	a.await("site b", func(st *api.Status) bool {
		peers, err := a.client.Peers(t.Context())
		return err == nil && len(peers) == 1 && peers[0].Weft == "1.2-test" && peers[0].Protocol == ledger.Newest
	})
	_, err := a.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "new", Rounds: 1}, Init: true})
	if err == nil || !strings.Contains(err.Error(), `site "b" runs weft 1.2-test, which does not know what this run asks for`) {
		t.Errorf("it asks: %v", err)
	}
	if st := a.await("a status", func(*api.Status) bool { return true }); st.Weft != "1.2-test" || st.Protocol != ledger.Newest || st.Newest != ledger.Newest {
		t.Errorf("status: %q, %d, %d", st.Weft, st.Protocol, st.Newest)
	}
}

// TestUnknownIsIgnored: what a later version says is not passed on, and nobody is blamed for it.
func TestUnknownIsIgnored(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	a, b := sites[0], sites[1]
	a.up()
	h, err := site.Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	body := block.Encode(map[string]any{"new": 1})
	said := &ledger.Signed{From: b.id, Kind: "new", Body: body, Sig: sign(h.Key, ledger.SigningBytes(a.node.mesh, "new", body))}
	n := a.node
	r := &receiver{n.mesh, n.views, n.verifier, n.events, n.box}
	for name, c := range map[string]struct {
		data []byte
		want gossip.Verdict
	}{
		"kind":      {(&round.Message{Attempt: 1, Statement: said}).Encode(), gossip.Ignore},
		"content":   {block.Encode(map[string]any{"attempt": 1, "new": body}), gossip.Ignore},
		"malformed": {block.Encode(map[string]any{"attempt": 1}), gossip.Reject},
	} {
		if got := r.handle(t.Context(), b.id, c.data); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestProtocolNeedsNewer: a node stops where a protocol comes into force that it does not know, and does not start again.
func TestProtocolNeedsNewer(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 1, nil)
	a := sites[0]
	a.up()
	if _, err := a.client.ChangeRoster(t.Context(), api.ChangeRequest{Protocol: ledger.Newest + 1, Weft: "1.4"}); err == nil || !strings.Contains(err.Error(), "weft >= 1.4") {
		t.Errorf("its operator may raise the protocol to one that the program does not know: %v", err)
	}
	c := &ledger.Change{Protocol: ledger.Newest + 1, Weft: "1.4"}
	key := a.node.home.Key
	approval := ledger.Sign(a.node.mesh, a.id, ledger.KindApprove, c, func(data []byte) []byte { return sign(key, data) })
	e := &ledger.Entry{Mesh: a.node.mesh, Height: 1, Parent: a.node.mesh, Body: &ledger.Changed{Change: *c, Approvals: []ledger.CertVote{{From: a.id, Sig: approval.Sig}}}}
	vote := ledger.Sign(a.node.mesh, a.id, ledger.KindPrecommit, &ledger.Vote{Height: 1, Entry: e.CID()}, func(data []byte) []byte { return sign(key, data) })
	cert := ledger.Certificate{Mesh: a.node.mesh, Height: 1, Entry: e.CID(), Votes: []ledger.CertVote{{From: a.id, Sig: vote.Sig}}}
	a.node.box.deliver(t.Context(), round.Connected{Peer: sites[0].id})
	a.node.box.deliver(t.Context(), round.Received{From: "another", Message: &round.Message{Attempt: 1, Certified: []ledger.Certified{{Entry: e.Block().Data, Certificate: cert}}}})
	const want = "this mesh needs weft >= 1.4"
	if err := <-a.ended; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("it ends with %v", err)
	}
	a.node = nil
	h, err := site.Open(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(h, Options{Timing: quick(), Log: a.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), want) {
		t.Errorf("started again, it ends with %v", err)
	}
	if r, err := archive.Verify(a.dir); err != nil || r.Height != 1 {
		t.Errorf("its ledger is read up to there: %+v, %v", r, err)
	}
}
