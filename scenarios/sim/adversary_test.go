package sim

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// lied is a run of four rounds with liars: n sites, the last of which are of one kind.
type lied struct {
	*testing.T
	*World
	kind  string
	seen  map[string]int // by honest sites: events of the trace; a rejection by its reason
	about map[string]map[peer.ID]bool
	deeds map[string]int
}

// lie plays it out to a minute after the honest sites have done all rounds.
func lie(t *testing.T, n, liars int, kind string, seed uint64, edit func(*Config)) *lied {
	p := &lied{T: t, kind: kind, seen: map[string]int{}, about: map[string]map[peer.ID]bool{}, deeds: map[string]int{}}
	c := mesh(n, 4, func(c *Config) {
		c.Seed = seed
		c.Path = func(from, to int) Path {
			return Path{Latency: time.Duration(5+(from*7+to*7)%5*10) * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.02, Bandwidth: 10e6}
		}
		for i := n - liars; i < n; i++ {
			c.Sites[i].Adversary = NewAdversary(kind)
		}
		c.Observe = p.observe
	})
	if edit != nil {
		edit(&c)
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.World = w
	if err := w.Run(15*time.Minute, w.Finished); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if !w.Finished() {
		t.Fatalf("seed %d: not finished: %s", seed, w.standing())
	}
	t.Logf("%d of %d, seed %d: finished at %v", liars, n, seed, w.Now())
	if err := w.Run(w.Now()+time.Minute, nil); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := w.Settle(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for i := range w.sites {
		for deed, count := range w.Deeds(i) {
			p.deeds[deed] += count
		}
	}
	return p
}

func (p *lied) observe(_ time.Duration, site int, t trace.Event) {
	if site < 0 || !p.Honest(site) {
		return
	}
	event := string(t.Kind())
	if r, refused := t.(trace.Rejected); refused {
		event = r.Why
		for _, why := range []error{ledger.ErrSignature, ledger.ErrMalformed, ledger.ErrInvalid, ledger.ErrQuorum, ledger.ErrEquivocate} {
			if strings.Contains(r.Why, why.Error()) {
				event = why.Error()
			}
		}
	}
	p.seen[event]++
	if p.about[event] == nil {
		p.about[event] = map[peer.ID]bool{}
	}
	p.about[event][t.About().Site] = true
}

// honest returns the honest sites.
func (p *lied) honest() (list []int) {
	for i := range p.sites {
		if p.Honest(i) {
			list = append(list, i)
		}
	}
	return list
}

// agreed holds that the honest sites have the same models and hold the last, that some of them hold each,
// and that they name no honest site.
func (p *lied) agreed() {
	p.Helper()
	head, held := p.Machine(0).Ledger().Head(), map[block.CID]bool{}
	for _, i := range p.honest() {
		l := p.Machine(i).Ledger()
		if l.Head() != head {
			p.Errorf("site %d: another ledger at height %d", i, l.Height())
		}
		for _, r := range l.Runs() {
			for n := range r.Round {
				model, _ := r.BaseOf(n + 1)
				held[model] = held[model] || p.Holds(i, model)
				if n+1 == r.Round && !p.Holds(i, model) {
					p.Errorf("site %d: does not hold the last model", i)
				}
			}
		}
		for _, id := range p.Machine(i).Named() {
			if p.Honest(p.index[id]) {
				p.Errorf("site %d: names honest site %d", i, p.index[id])
			}
		}
	}
	for model, somewhere := range held {
		if !somewhere {
			p.Errorf("no honest site holds %s", model)
		}
	}
	if runs := p.Machine(0).Ledger().Runs(); len(runs) != 1 {
		p.Errorf("%d runs were opened, want 1", len(runs))
	}
}

// counted returns how many updates of honest sites, and how many of liars, went into the models.
func (p *lied) counted() (honest, liars int) {
	for _, c := range p.Machine(0).Ledger().Runs()[0].Commits {
		for _, id := range c.Sealed.Contributors() {
			if p.Honest(p.index[id]) {
				honest++
			} else {
				liars++
			}
		}
	}
	return honest, liars
}

// named returns how many liars have done something, and how many of those every honest site names; it
// holds that all do if one does.
func (p *lied) named() (active, named int) {
	p.Helper()
	for liar := range p.sites {
		if len(p.Deeds(liar)) == 0 {
			continue
		}
		active++
		by := 0
		for _, i := range p.honest() {
			if slices.Contains(p.Machine(i).Named(), p.ID(liar)) {
				by++
			}
		}
		if by == len(p.honest()) {
			named++
		} else if by > 0 {
			p.Errorf("only %d of %d honest sites name site %d", by, len(p.honest()), liar)
		}
	}
	return active, named
}

// noticed holds that honest sites have traced an event, about a liar.
func (p *lied) noticed(event string) {
	p.Helper()
	if p.seen[event] == 0 {
		p.Errorf("no honest site has noticed: %s", event)
	}
	for id := range p.about[event] {
		if p.Honest(p.index[id]) {
			p.Errorf("%s: of honest site %d", event, p.index[id])
		}
	}
}

// expectation says of a kind which deeds it must have done, in all its runs together, and what is to be
// seen of them.
type expectation struct {
	deeds  []string
	expect func(p *lied) // in each run
	late   int           // so many updates of honest sites may miss their rounds' seals, in each run
	twice  bool          // it signs twice for one place, and most are named for it
	also   []uint64      // further seeds, in which it does what it seldom does
}

var expectations = map[string]expectation{
	"silent":        {deeds: []string{"said nothing"}},
	"falls-silent":  {deeds: []string{"said nothing"}},
	"selective":     {deeds: []string{"left a site out", "served a site nothing"}, late: 2}, // who waits for it in vain has no base in time
	"equivocator":   {deeds: []string{"proposed two seals", "proposed two commits"}, twice: true},
	"double-voter":  {deeds: []string{"signed two prevotes", "signed two precommits"}, twice: true},
	"double-dealer": {deeds: []string{"offered two updates"}, expect: (*lied).included},
	"colluder": {
		deeds: []string{"proposed two seals", "proposed two commits", "backed two entries with prevotes", "backed two entries with precommits"},
		twice: true,
	},
	"splitter": {
		deeds: []string{"proposed two seals", "let one site alone decide", "helped what came after a split"},
		twice: true, also: []uint64{29},
	},
	"withholder":   {deeds: []string{"withheld an artifact"}, expect: (*lied).excluded},
	"miser":        {deeds: []string{"withheld an artifact"}},
	"wrong-blocks": {deeds: []string{"served wrong blocks"}, expect: func(p *lied) { p.excluded(); p.noticed("dropped") }},
	"wrong-commit": {
		deeds:  []string{"was ready for a wrong commit", "proposed a wrong commit", "voted for a wrong commit"},
		expect: func(p *lied) { p.noticed("diverged") },
	},
	"broken":  {deeds: []string{"computed a wrong model"}, expect: func(p *lied) { p.noticed("diverged") }},
	"omitter": {deeds: []string{"was ready for a seal that leaves a site out", "proposed a seal that leaves a site out", "voted for a seal that leaves a site out"}},
	"accuser": {deeds: []string{
		"was ready for a seal without an update that all hold", "proposed a seal without an update that all hold", "voted for a seal without an update that all hold",
	}},
	"gatecrasher": {
		deeds: []string{
			"approved alone of a change", "approved of more changes than it may", "approved in another's name", "forged a change: too few approvals",
			"forged a change: one approval many times", "forged a change: votes as approvals", "forged a change: no join of the key that comes",
			"was ready for a change without a quorum", "proposed a change without a quorum", "voted for a change without a quorum",
		},
		expect: func(p *lied) {
			p.noticed(ledger.ErrInvalid.Error())
			p.noticed(ledger.ErrSignature.Error())
			if r := p.Machine(0).Ledger().Roster(); r.Version() != 0 {
				p.Errorf("the roster has changed %d times", r.Version())
			}
		},
	},
	"replayer": {deeds: []string{"replayed a message", "replayed a message of an old height"}},
	"spammer": {
		deeds: []string{
			"candidates that are not there", "junk runs", "votes far ahead", "early messages", "updates that are not there", "heads that lie",
			"evidence that proves nothing", "certificates of nothing", "consents without end", "proposals out of place",
		},
		expect: func(p *lied) { p.noticed(ledger.ErrMalformed.Error()) },
	},
	"framer": {
		deeds: []string{
			"proposed what is another's to propose", "was ready for what is not valid", "was ready for an entry with the bytes of another", "said again what others had said",
		},
		expect: func(p *lied) {
			framed := 0
			for id := range p.about[ledger.ErrInvalid.Error()] {
				if p.Honest(p.index[id]) {
					framed++
				}
			}
			if framed == 0 {
				p.Error("no honest site has passed on what machines refuse")
			}
		},
	},
	"pretender": {deeds: []string{"was ready for what it does not hold", "prevoted unseen", "precommitted unseen"}},
	"forger": {
		deeds: []string{"signed in another's name", "altered what another signed", "forged evidence", "forged a certificate"},
		expect: func(p *lied) {
			p.noticed(ledger.ErrSignature.Error())
			if p.Banned(len(p.sites)-1) == 0 {
				p.Error("nobody has banned it")
			}
		},
	},
	"rusher":    {deeds: []string{"prevoted ahead of time", "precommitted ahead of time"}},
	"forgetful": {deeds: []string{"forgot a vote or a lock"}}, // see TestForgetful
	"silencer":  {},                                           // see TestSilencer: here nobody restarts
	"sign-flip": {deeds: []string{"spoilt an update: sign-flip"}, expect: (*lied).included},
	"times-100": {deeds: []string{"spoilt an update: times-100"}, expect: (*lied).included},
	"max-float": {deeds: []string{"spoilt an update: max-float"}, expect: (*lied).excluded},
	"one-step":  {deeds: []string{"made up steps"}},   // see TestOneStep: here no run has a round time
	"boaster":   {deeds: []string{"made up samples"}}, // see TestBoaster: here no cap is in force
	"nan":       {deeds: []string{"spoilt an update: nan"}, expect: (*lied).excluded},
	"futurist": {
		deeds: []string{
			"said a known kind with an unknown field: update", "said a known kind with an unknown field: consent", "said a known kind with an unknown field: ready",
			"said a known kind with an unknown field: prevote", "said a known kind with an unknown field: precommit", "said a known kind with an unknown field: proposal",
			"sent a head with an unknown field", "sent a certificate with an unknown field",
			"said an unknown kind", "sent unknown contents", "sent evidence of an unknown kind", "was ready for an entry of an unknown kind",
		},
		expect: (*lied).tolerated,
	},
	"metric-liar": {}, // see TestMetricLiar: here nobody measures
	"complainer": {
		deeds:  []string{"claimed every trouble", "took its troubles back", "claimed two troubles in one place"},
		expect: (*lied).unmoved,
	},
	"asker":    {}, // see TestAskers: here nothing is asked for
	"baseless": {},
	"stale":    {deeds: []string{"announced an old update of its own", "announced another's old update", "announced another's update", "announced the base as its update"}},
}

// excluded holds that no update of a liar went into a model.
func (p *lied) excluded() {
	p.Helper()
	if _, n := p.counted(); n > 0 {
		p.Errorf("%d updates of liars were aggregated", n)
	}
}

// included says that a mean takes what is wrong, if only it is finite: no rule of the agreement is broken.
func (p *lied) included() {
	p.Helper()
	if _, n := p.counted(); n == 0 {
		p.Error("no update of a liar was aggregated: what keeps them out?")
	}
}

// unmoved holds that what a liar says of its troubles moves nobody: its updates are in all seals, and nobody is named or banned.
func (p *lied) unmoved() {
	p.Helper()
	for _, c := range p.Machine(0).Ledger().Runs()[0].Commits {
		if len(c.Sealed.Updates) != len(p.sites) {
			p.Errorf("round %d is of %d updates", c.Round, len(c.Sealed.Updates))
		}
	}
	for i := range p.sites {
		if n := p.Banned(i); n > 0 {
			p.Errorf("site %d is banned by %d", i, n)
		}
	}
}

// tolerated holds that what a later version says is neither held against who says it nor against who passes it on, and counts by
// what is known of it: its updates go into models with the fields that nobody knows.
func (p *lied) tolerated() {
	p.Helper()
	for _, why := range []error{ledger.ErrMalformed, ledger.ErrSignature} { // what nodes ban for
		if n := p.seen[why.Error()]; n > 0 {
			p.Errorf("%d times refused: %v", n, why)
		}
	}
	later := 0
	for _, c := range p.Machine(0).Ledger().Runs()[0].Commits {
		for _, u := range c.Sealed.Updates {
			switch unknown := u.Update.Unknown(); {
			case p.Honest(p.index[u.Update.From]) && len(unknown) > 0:
				p.Errorf("an update of an honest site has fields %q", unknown)
			case slices.Equal(unknown, []string{"later"}):
				later++
			case !p.Honest(p.index[u.Update.From]):
				p.Errorf("an update of a liar has lost its field: %q", unknown)
			}
		}
	}
	if later == 0 {
		p.Error("no update with an unknown field went into a model")
	}
}

func TestAdversaries(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() || os.Getenv("WEFT_TEST_ALL") != "1" {
		seeds = 2
	}
	for _, k := range AdversaryKinds {
		t.Run(k.Name, func(t *testing.T) {
			want, known := expectations[k.Name]
			if !known {
				t.Fatal("nothing is expected of it")
			}
			deeds, active, named := map[string]int{}, 0, 0
			play := want.also
			for seed := range seeds {
				play = append(play, seed)
			}
			for _, seed := range play {
				n, liars := 4, 1
				if seed%2 == 1 {
					n, liars = 7, 2
				}
				p := lie(t, n, liars, k.Name, seed, nil)
				p.agreed()
				honest, _ := p.counted()
				if all := 4 * len(p.honest()); honest < all-want.late {
					p.Errorf("%d updates of honest sites were aggregated of %d", honest, all)
				}
				if want.expect != nil {
					want.expect(p)
				}
				a, b := p.named()
				active, named = active+a, named+b
				for deed, count := range p.deeds {
					deeds[deed] += count
				}
			}
			t.Log(deeds)
			switch {
			case want.twice && 2*named < active:
				t.Errorf("%d of %d are named: want most of them", named, active)
			case !want.twice && named > 0 && k.Name != "forgetful":
				t.Errorf("%d of %d are named: they sign nothing twice", named, active)
			}
			for _, deed := range want.deeds {
				if deeds[deed] == 0 && seeds > 2 {
					t.Errorf("nobody %s", deed)
				}
			}
		})
	}
}

// TestGatecrasher gives a gatecrasher what it needs to do all that it does: changes that the operators want, also one
// that too few of them want, and its own removal.
func TestGatecrasher(t *testing.T) {
	deeds := map[string]int{}
	for seed := range uint64(8) {
		p := lie(t, 8, 1, "gatecrasher", seed, func(c *Config) {
			c.Sites = append(c.Sites, Site{Name: "newcomer", Outside: true}, Site{Name: "unwanted", Outside: true})
			c.Plan = []Fault{
				{Kind: Add, Round: 1, Sites: []int{8}}, {Kind: Add, Round: 1, Sites: []int{9}, Few: true},
				{Kind: Remove, Round: 1, Sites: []int{1}, Few: true}, {Kind: Remove, Round: 3, Sites: []int{7}},
			}
		})
		l := p.Machine(0).Ledger()
		if r := l.Roster(); r.Version() != 2 || !r.Has(p.ID(8)) || r.Has(p.ID(7)) || l.HasBeen(p.ID(9)) || !r.Has(p.ID(1)) {
			t.Errorf("seed %d: version %d of the roster: %v", seed, r.Version(), r.Sites())
		}
		for deed, count := range p.deeds {
			deeds[deed] += count
		}
	}
	t.Log(deeds)
	for _, deed := range []string{"forged a change: one that was decided before", "voted when it had been removed"} {
		if deeds[deed] == 0 {
			t.Errorf("nobody %s", deed)
		}
	}
}

// TestForgetful gives a forgetful site what it needs to be caught: heights that cannot end without it.
func TestForgetful(t *testing.T) {
	deeds := 0
	for seed := range uint64(8) {
		n, liars := 4, 1
		if seed%2 == 1 {
			n, liars = 7, 2
		}
		p := lie(t, n, liars, "forgetful", seed, func(c *Config) {
			c.Plan = []Fault{{Kind: Crash, At: 14 * time.Second, For: 40 * time.Second, Sites: []int{1}}}
		})
		p.agreed()
		again := 0
		for i := n - liars; i < n; i++ {
			if p.Deeds(i)["voted again, and otherwise"] > 0 {
				again++
			}
		}
		if _, named := p.named(); named < again {
			t.Errorf("seed %d: %d have voted again, %d are named", seed, again, named)
		}
		deeds += again
	}
	if deeds == 0 {
		t.Error("nobody has voted again")
	}
}

// TestTooManyLiars shows what breaks when one site more lies than the mesh withstands: two entries are
// certified at one height. The simulator's checks find it; without them the mesh itself does, as soon as
// two honest sites that have decided differently show each other their heads: it traces the fork, and names
// who signed both.
func TestTooManyLiars(t *testing.T) {
	for _, c := range []struct{ n, liars int }{{4, 2}, {7, 3}} {
		forks := 0
		for seed := range uint64(4) {
			forked := func(check bool) (w *World, traced map[int]bool, err error) {
				traced = map[int]bool{}
				w, err = New(mesh(c.n, 12, func(cfg *Config) {
					cfg.Seed, cfg.Check = seed, check
					for i := c.n - c.liars; i < c.n; i++ {
						cfg.Sites[i].Adversary = NewAdversary("colluder")
					}
					cfg.Observe = func(_ time.Duration, site int, tr trace.Event) {
						if _, forked := tr.(trace.Forked); forked && w.Honest(site) {
							traced[site] = true
						}
					}
				}))
				if err != nil {
					t.Fatal(err)
				}
				return w, traced, w.Run(5*time.Minute, nil)
			}
			_, _, err := forked(true)
			var v *Violation
			switch {
			case err == nil:
				continue // they were named before they could: a named site's updates do not count
			case !errors.As(err, &v) || v.Promise != PromiseOneEntry:
				t.Fatalf("%d of %d, seed %d: %v, want a fork", c.liars, c.n, seed, err)
			}
			forks++
			w, traced, err := forked(false)
			if err != nil {
				t.Fatal(err)
			}
			named := map[int]bool{}
			for i := range c.n - c.liars {
				for _, id := range w.Machine(i).Named() {
					named[w.index[id]] = true
					if w.Honest(w.index[id]) {
						t.Errorf("seed %d: site %d names honest site %d", seed, i, w.index[id])
					}
				}
			}
			t.Logf("%d of %d, seed %d: %v; fork traced by %v, named %v", c.liars, c.n, seed, v, traced, named)
			if len(traced) < c.n-c.liars || len(named) < c.liars {
				t.Errorf("%d of %d, seed %d: fork traced by %v, named %v; want all", c.liars, c.n, seed, traced, named)
			}
		}
		if forks == 0 {
			t.Errorf("%d of %d: no fork in any seed", c.liars, c.n)
		}
	}
}

func TestAdversaryKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range AdversaryKinds {
		a, b := NewAdversary(k.Name), NewAdversary(k.Name)
		if a == nil || a.Name() != k.Name || seen[k.Name] || k.Does == "" {
			t.Errorf("%q: makes %v, described as %q", k.Name, a, k.Does)
		}
		if of := reflect.TypeOf(a); of.Kind() == reflect.Pointer && of.Elem().Size() > 0 && a == b {
			t.Errorf("%s: two sites share one", k.Name)
		}
		seen[k.Name] = true
	}
	page, err := os.ReadFile("../../docs/adversaries.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range seen {
		if !regexp.MustCompile(`(?m)^\|[^|]*\b` + name + `\b`).Match(page) {
			t.Errorf("docs/adversaries.md does not know %s", name)
		}
	}
	if NewAdversary("saint") != nil {
		t.Error("there is an adversary of no kind")
	}
}

// TestSameSeedSameLies holds that adversaries draw all their chances from the seed.
func TestSameSeedSameLies(t *testing.T) {
	for _, k := range AdversaryKinds {
		c := func() Config {
			return mesh(7, 2, func(c *Config) {
				c.Sites[5].Adversary, c.Sites[6].Adversary = NewAdversary(k.Name), NewAdversary(k.Name)
			})
		}
		if !bytes.Equal(traceOf(t, c()), traceOf(t, c())) {
			t.Errorf("%s: the same seed gives another trace", k.Name)
		}
	}
}

// TestBoaster: whatever samples a liar states, its update has at most half of a round's weight, which the world holds after every
// seal; with share: open it has nearly all.
func TestBoaster(t *testing.T) {
	for _, share := range []ledger.Share{ledger.Capped, ledger.OpenShare} {
		p := lie(t, 4, 1, "boaster", 1, func(c *Config) {
			work := &Synthetic{Bytes: 1e6, Time: 10 * time.Second}
			spec := work.Spec("boasted", 4)
			spec.Bounds = ledger.NewBounds(ledger.Bounded{Share: share})
			c.Workload, c.Protocol, c.Acts = work, ledger.Newest, []Act{{At: 3 * time.Second, Do: runs.OpenRun{Spec: spec}}}
			c.Check = share == ledger.Capped
		})
		p.agreed()
		for _, commit := range p.Machine(0).Ledger().Runs()[0].Commits {
			var most, all uint64
			for _, u := range commit.Sealed.Updates {
				most, all = max(most, u.Weight), all+u.Weight
			}
			if capped := 2*most <= all; capped != (share == ledger.Capped) {
				t.Errorf("share %q, round %d: the heaviest weighs %d of %d", share, commit.Round, most, all)
			}
		}
	}
}

// TestOneStep: in a run with a round time the steps that a liar states are in its seals as it has stated them, and rounds go on; a
// site that is slower than the bell is in every seal all the same, with the steps that it had time for.
func TestOneStep(t *testing.T) {
	p := lie(t, 4, 1, "one-step", 1, func(c *Config) {
		work := &Synthetic{Bytes: 1e6, Time: 10 * time.Second}
		spec := work.Spec("boxed", 4)
		spec.Pace = ledger.NewPace(ledger.Paced{RoundTime: 12_000})
		spec.Late = ledger.Average
		c.Sites[0].Slow = 9
		c.Workload, c.Protocol, c.Acts = work, ledger.Newest, []Act{{At: 3 * time.Second, Do: runs.OpenRun{Spec: spec}}}
	})
	p.agreed()
	run := p.Machine(0).Ledger().Runs()[0]
	if len(run.Commits) != 4 {
		t.Fatalf("%d rounds", len(run.Commits))
	}
	for _, commit := range run.Commits {
		stated := map[uint64]int{}
		for _, in := range run.Inputs(commit.Sealed) {
			stated[in.Steps]++
		}
		if stated[1] != 1 || stated[1000] != 2 || len(commit.Sealed.Updates) != 4 {
			t.Errorf("round %d: updates by the steps that they state: %v", commit.Round, stated)
		}
	}
}

// TestMetricLiar gives metric-liars what they lie about: models that the sites measure, and a best one among them. By the median
// no gain counts that no honest site has measured, which the world holds after every entry; by the mean one liar chooses among
// the models that the mesh has made, and when the run ends.
func TestMetricLiar(t *testing.T) {
	for _, by := range []ledger.By{ledger.ByMedian, ledger.ByMean} {
		early, closed := 0, 0
		for seed := range uint64(6) {
			p := lie(t, 4, 1, "metric-liar", seed, func(c *Config) {
				work := &Synthetic{Bytes: 1e6, Time: 10 * time.Second, Figures: true}
				spec := work.Spec("selects", 8)
				spec.Selection = ledger.NewSelection(ledger.Terms{Best: &ledger.Best{Metric: "loss", Mode: ledger.Min, By: by}, StopAfter: 3})
				c.Workload, c.Protocol, c.Acts = work, ledger.SelectionProtocol, []Act{{At: 3 * time.Second, Do: runs.OpenRun{Spec: spec}}}
			})
			p.agreed()
			first := p.Machine(0).Ledger().Runs()[0]
			for _, i := range p.honest() {
				r := p.Machine(i).Ledger().Runs()[0]
				if r.Best() == nil || r.Best().Round != first.Best().Round || r.Plateau != first.Plateau {
					t.Errorf("%s, seed %d: site %d: best %+v, ended at %d; site 0: %+v, %d", by, seed, i, r.Best(), r.Plateau, first.Best(), first.Plateau)
				}
				if !p.Holds(i, r.Best().Model) {
					t.Errorf("%s, seed %d: site %d does not hold the best model", by, seed, i)
				}
			}
			if first.Plateau > 0 {
				early++
			}
			if first.Closing != nil {
				closed++
			}
			if p.deeds["made up figures"] == 0 {
				t.Errorf("%s, seed %d: nobody made up figures", by, seed)
			}
		}
		if by == ledger.ByMedian && early == 0 || closed != 6 {
			t.Errorf("%s: %d runs ended early, and the last model of %d was measured, of 6", by, early, closed)
		}
	}
}
