package node

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/round"
)

// askedOf returns a run that is asked for and not open, nothing of it if there is none.
func askedOf(st *api.Status, run block.CID) (a api.AskedRun) {
	for _, known := range st.NotOpen {
		if known.Run == run {
			a = known
		}
	}
	return a
}

// Until a run is open no site has a byte of its model but who asks for it; one that it would take too much room at says so, and who
// asks for it takes it back.
func TestAskedRun(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, func(name, config string) string {
		switch name {
		case "b":
			config = strings.Replace(config, "accept: auto", "accept: ask\nsamples: 1200", 1)
		case "c":
			config += "max_model: 5MB\n" // the model, three updates and the next one have 5.5 MB
		}
		return config
	})
	upAll(sites)
	a, b, c := sites[0], sites[1], sites[2]
	first := a.start(ledger.RunSpec{Name: "asked", Rounds: 1})
	second := a.start(ledger.RunSpec{Name: "asked", Rounds: 1, MinSites: 3})
	a.await("why one declines", func(st *api.Status) bool {
		k := askedOf(st, second)
		return strings.Contains(k.Declined["c"], "it takes 5.5 MB; this site gives a run 5 MB (max_model)") && strings.HasPrefix(k.Waits, "nothing that will come: 3 sites must take part, and 1 of 3 decline") && k.Own
	})
	b.await("both questions", func(st *api.Status) bool { return len(st.Pending) == 2 && askedOf(st, first).Bytes > 0 })
	c.await("both runs", func(st *api.Status) bool {
		return askedOf(st, first).Declined["c"] != "" && askedOf(st, second).Declined["c"] != ""
	})
	if err := c.client.Consent(t.Context(), first, api.Consent{Accept: true}); err == nil || !strings.Contains(err.Error(), "max_model") {
		t.Errorf("a run that is too large is accepted: %v", err)
	}
	if err := b.client.Stop(t.Context(), second, api.Stop{}); err == nil || !strings.Contains(err.Error(), "a, which asks for it, can take that back") {
		t.Errorf("another site takes a run back: %v", err)
	}
	base := askedOf(b.await("its base", func(*api.Status) bool { return true }), first).Spec.Base
	for _, s := range []*testSite{b, c} {
		if s.node.store.Stat().Artifacts+s.node.store.Stat().Partials > 0 || s.node.store.Has(base) {
			t.Errorf("site %s has something of a model that it has not consented to", s.name)
		}
	}
	if err := a.client.Stop(t.Context(), second, api.Stop{}); err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		s.await("that one is taken back", func(st *api.Status) bool { return len(st.NotOpen) == 1 && st.NotOpen[0].Run == first })
	}
	if err := b.client.Consent(t.Context(), first, api.Consent{Accept: true}); err != nil {
		t.Fatal(err)
	}
	a.awaitRounds(first, 1)
	c.await("the end of a run without it", func(st *api.Status) bool {
		return len(st.Runs) == 1 && st.Runs[0].Phase == api.PhaseDone && len(st.NotOpen) == 0
	})
	if c.node.store.Has(base) {
		t.Error("a site that takes no part has fetched the base")
	}
	var declared uint64
	err := b.node.box.ask(t.Context(), func(m *round.Machine) { declared = m.Ledger().Run(first).Declared[b.id] })
	if err != nil || declared != 1200 {
		t.Errorf("b has declared %d samples (%v)", declared, err)
	}
}

// A site that takes part in every run takes part in two of one opener at a time; the third waits for its operator, and says so.
func TestAskedAllowance(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	for _, s := range sites {
		s.trainer = &latch{}
	}
	upAll(sites)
	a, b := sites[0], sites[1]
	var ids []block.CID
	for _, name := range []string{"one", "two", "three"} {
		ids = append(ids, a.start(ledger.RunSpec{Name: name, Rounds: 1}))
	}
	st := b.await("the question", func(st *api.Status) bool {
		return len(st.Pending) == 1 && len(st.Runs) == 2 && st.Pending[0].Held != ""
	})
	if st.Pending[0].Run != ids[2] || st.Pending[0].Held != "this site takes part in 2 runs of that site already, as many as it does by itself" {
		t.Errorf("pending %+v", st.Pending[0])
	}
	own := b.start(ledger.RunSpec{Name: "own", Rounds: 1})
	b.await("its own run", func(st *api.Status) bool { return runOf(st, own).Phase != "" })
	if err := b.client.Consent(t.Context(), ids[2], api.Consent{Accept: true}); err != nil {
		t.Fatal(err)
	}
	a.await("the third", func(st *api.Status) bool { return runOf(st, ids[2]).Phase != "" && len(st.NotOpen) == 0 })
}
