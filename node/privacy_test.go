package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
)

// fetchFrom asks one site for blocks as another, and returns which it gets.
func fetchFrom(t *testing.T, from, as *testSite, want ...block.CID) map[block.CID]bool {
	t.Helper()
	got := make(chan block.CID, len(want))
	_, err := as.node.exchange.Fetch(t.Context(), exchange.Request{
		Want: want, Providers: []peer.ID{from.id}, Put: func(b block.Verified) error { got <- b.Block().CID; return nil },
	})
	var missing *exchange.Unavailable
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	close(got)
	set := map[block.CID]bool{}
	for c := range got {
		set[c] = true
	}
	return set
}

// Updates are for the participants of their run; the ledger and models are for every site.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, func(name, config string) string {
		if name == "d" {
			config = strings.Replace(config, "accept: auto", "accept: ask", 1)
		}
		return config + "keep_updates: true\n"
	})
	gateRounds(sites, 2)
	upAll(sites)
	a, b, d := sites[0], sites[1], sites[3]
	run := a.start(ledger.RunSpec{Name: "private", Rounds: 3})
	d.await("the question", func(st *api.Status) bool { return len(st.Pending) == 1 })
	if err := d.client.Consent(t.Context(), run, api.Consent{Accept: false}); err != nil {
		t.Fatal(err)
	}
	r := a.awaitRounds(run, 2)
	b.awaitRounds(run, 2)
	d.await("the ledger", func(st *api.Status) bool { return len(runOf(st, run).History) == 2 })

	public := []block.CID{r.Spec.Layout, a.node.home.Genesis.Block().CID, r.Base, r.Spec.Base}
	var private []block.CID
	for _, m := range []block.CID{r.Base, r.Spec.Base} {
		manifest, err := blockstore.ReadManifest(a.node.store, m)
		if err != nil {
			t.Fatal(err)
		}
		public = append(public, manifest.Shards...)
	}
	entries, err := a.client.Ledger(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		public = append(public, e.CID, block.Of(e.Certificate).CID)
		if ledger.As[ledger.Seal](e.Entry) == nil {
			continue
		}
		for i := range ledger.As[ledger.Seal](e.Entry).Updates {
			m := ledger.As[ledger.Seal](e.Entry).Updates[i].Update.Update().Manifest
			manifest, err := blockstore.ReadManifest(a.node.store, m)
			if err != nil {
				t.Fatal(err)
			}
			private = append(append(private, m), manifest.Shards...)
		}
	}
	if len(private) < 6*(1+2) {
		t.Fatalf("%d private blocks", len(private))
	}
	e := a.newcomer("e")
	approve(t, api.ChangeRequest{Add: &api.RosterSite{Name: "e", ID: e.id}}, a) // one approval is no quorum
	e.up(a)
	e.await("the ledger", func(st *api.Status) bool { return st.Observes && len(runOf(st, run).History) == 2 })
	for name, c := range map[string]struct {
		as          *testSite
		participant bool
	}{"participant": {b, true}, "site that declined": {d, false}, "observer": {e, false}} {
		got := fetchFrom(t, a, c.as, append(public, private...)...)
		for _, id := range public {
			if !got[id] {
				t.Errorf("%s does not get %s", name, id)
			}
		}
		for _, id := range private {
			if got[id] != c.participant {
				t.Errorf("%s gets %s of an update: %v", name, id, got[id])
			}
		}
	}
	if stranger := testID(t, 9); a.node.gate.allow(stranger, r.Base) {
		t.Error("a stranger to the mesh gets a model")
	}
	if a.node.gate.allow(b.id, testCID(block.Raw, "unknown use")) {
		t.Error("a shard of unknown use is given away")
	}
}

// What is no good is found so, whoever offers it; what was lost is fetched again.
func TestFetch(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	gateRounds(sites, 1)
	upAll(sites)
	a, b := sites[0], sites[1]
	run := a.start(ledger.RunSpec{Name: "fetch", Rounds: 2, MinSites: 2})
	r := b.awaitRounds(run, 1)
	base, err := blockstore.ReadManifest(a.node.store, r.Spec.Base)
	if err != nil {
		t.Fatal(err)
	}
	other := testArtifact(t, a.node.store, 1)
	infinite := offerInfinite(t, a.node, r.Spec.Layout, base.ShardElements)
	cut := offerCut(t, a.node, r.Spec.Base)
	for _, m := range []block.CID{other, infinite, cut} {
		manifest, err := blockstore.ReadManifest(a.node.store, m)
		if err != nil {
			t.Fatal(err)
		}
		a.node.index.Add(t.Context(), m, manifest.Shards, index.Use{Run: run, As: index.AsUpdate, Round: 1})
	}
	for _, c := range []struct {
		name     string
		manifest block.CID
		want     string
	}{
		{"another layout", other, "its layout is"},
		{"not finite", infinite, "not finite"},
		{"other shards", cut, "the base has"},
		{"no manifest", r.Spec.Layout, "manifest"},
	} {
		job := runs.Fetch{Run: run, Manifest: c.manifest, Layout: r.Spec.Layout, Owner: a.id}
		invalid, err := b.node.jobs.Obtain(t.Context(), job)
		if err != nil || !strings.Contains(invalid, c.want) {
			t.Errorf("%s: invalid %q, %v, want %q", c.name, invalid, err, c.want)
		}
	}

	// One that this site has as something else, such as the base of another run, is no better an update.
	had := offerCut(t, b.node, r.Base)
	m, err := blockstore.ReadManifest(b.node.store, had)
	if err != nil {
		t.Fatal(err)
	}
	b.node.index.Add(t.Context(), had, m.Shards, index.Use{Run: testCID(block.DagCBOR, "another run"), As: index.AsModel})
	if invalid, err := b.node.jobs.Obtain(t.Context(), runs.Fetch{Run: run, Manifest: had, Layout: r.Spec.Layout, Owner: a.id}); err != nil || !strings.Contains(invalid, "the base has") {
		t.Errorf("other shards, held: invalid %q, %v", invalid, err)
	}

	if err := b.node.store.DeleteArtifact(r.Base); err != nil {
		t.Fatal(err)
	}
	invalid, err := b.node.jobs.Obtain(t.Context(), runs.Fetch{Run: run, Manifest: r.Base, Layout: r.Spec.Layout})
	if invalid != "" || err != nil || !b.node.jobs.Holds(r.Base) {
		t.Fatalf("what was lost is not fetched again: %q, %v", invalid, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	gone := testCID(block.DagCBOR, "nobody has it")
	if invalid, err := b.node.jobs.Obtain(ctx, runs.Fetch{Run: run, Manifest: gone, Layout: r.Spec.Layout}); invalid != "" || err == nil {
		t.Errorf("what nobody has: invalid %q, %v", invalid, err)
	}
}

// offerInfinite makes an artifact of a layout with an infinite element.
func offerInfinite(t *testing.T, n *Node, layout block.CID, elements uint64) block.CID {
	t.Helper()
	data, err := n.store.Get(layout)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tensor.DecodeLayout(data)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := l.Cut(elements)
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.store.NewArtifact(cut)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		shard := make([]byte, b.Shard(i).Bytes)
		copy(shard, []byte{0, 0, 0x80, 0x7f})
		if _, err := b.WriteShard(i, shard); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// offerCut makes an artifact with the elements of another in smaller shards.
func offerCut(t *testing.T, n *Node, from block.CID) block.CID {
	t.Helper()
	path, err := n.store.Path(from)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.store.Import(t.Context(), path, blockstore.ImportOptions{ShardElements: 100_000, Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Only the newest three models, which keep_models adds to, and what the run began with stay, updates go with the commit, and leftovers at the next start.
func TestKeep(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, func(name, config string) string {
		if name == "b" {
			config += "keep_updates: true\n"
		}
		return config + "keep_models: 1\n"
	})
	upAll(sites)
	a, b := sites[0], sites[1]
	run := a.start(ledger.RunSpec{Name: "keep", Rounds: 5, MinSites: 2})
	a.awaitRounds(run, 5)
	b.awaitRounds(run, 5)
	want := func(s *testSite, n int) {
		s.t.Helper()
		s.await("the rest to be removed", func(*api.Status) bool { return len(s.node.store.Artifacts()) == n })
		for _, h := range s.awaitRounds(run, 5).History {
			if h.Held != (h.Round > 2) {
				t.Errorf("site %s, round %d: held %v", s.name, h.Round, h.Held)
			}
		}
	}
	want(a, 4)
	want(b, 4+10)
	testArtifact(t, a.node.store, 3)                                                                                        // a crash came before its use was noted
	a.node.index.Add(t.Context(), testArtifact(t, a.node.store, 4), nil, index.Use{Run: run, As: index.AsUpdate, Round: 1}) // a Forget was lost
	a.down()
	a.up(b)
	want(a, 4)
}
