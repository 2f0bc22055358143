package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// TrialSizes are the meshes that trials are made of.
var TrialSizes = []int{3, 4, 5, 7, 10, 16, 31}

// Trial is a random mesh with random faults and liars, no more of them than it withstands, all drawn
// from one seed. After the last fault it must find its way: finish its run, with every promise held.
type Trial struct {
	Seed    uint64        `json:"seed"`
	Sites   int           `json:"sites"`
	Joiners int           `json:"joiners,omitempty"` // beyond Sites: who is to be added
	Faults  ledger.Faults `json:"faults"`
	Rounds  uint64        `json:"rounds"`
	Late    bool          `json:"late"` // late updates are carried
	Liars   []LiarAt      `json:"liars,omitempty"`
	Plan    []Fault       `json:"plan,omitempty"`
	Net     Path          `json:"net"`  // of the worst pair; the others are between it and nothing
	Sync    time.Duration `json:"sync"` // of the slowest disk
	Work    Synthetic     `json:"work"`

	Asks bool `json:"asks,omitempty"` // runs are asked for before they are opened

	Selection *ledger.Terms `json:"selection,omitempty"` // the sites measure models by these terms; nil: the first protocol is in force
}

// LiarAt is a site with an adversary.
type LiarAt struct {
	Site      int    `json:"site"`
	Adversary string `json:"adversary"`
}

// chaos is for how long faults begin in a trial, and most of what one lasts.
const (
	chaos     = 2 * time.Minute
	faultLast = 40 * time.Second
)

// NewTrial draws the trial of a seed; sites 0 draws the size too, and no liar's name draws the liars'. One trial in
// three changes its roster, with roster every one.
func NewTrial(seed uint64, sites int, liar string, roster bool) *Trial {
	rng := rand.New(rand.NewPCG(seed, 3))
	if sites == 0 {
		sites = TrialSizes[seed%uint64(len(TrialSizes))]
	}
	t := &Trial{Seed: seed, Sites: sites, Faults: ledger.Byzantine, Rounds: 2 + rng.Uint64N(4), Late: rng.IntN(3) > 0}
	if rng.IntN(4) == 0 {
		t.Faults = ledger.Crash
	}
	t.Net = Path{
		Latency: time.Duration(rng.IntN(150)) * time.Millisecond, Jitter: time.Duration(1+rng.IntN(100)) * time.Millisecond,
		Bandwidth: 1e6 * (1 + 100*rng.Float64()),
	}
	if rng.IntN(2) == 0 {
		t.Net.Loss, t.Net.Duplicate = 0.1*rng.Float64(), 0.1*rng.Float64()
	}
	if rng.IntN(2) == 0 {
		t.Sync = time.Duration(rng.IntN(20)) * time.Millisecond
	}
	t.Work = Synthetic{Bytes: 1 << (10 + rng.IntN(14)), Time: time.Duration(1+rng.IntN(20)) * time.Second, Spread: 2 * rng.Float64()}
	t.draw(rng, liar)
	if rng := rand.New(rand.NewPCG(seed, 5)); rng.IntN(3) == 0 || roster {
		t.drawRoster(rng, liar)
	}
	return t
}

// selects has the sites measure models and choose the best; a liar in two then makes up figures.
func (t *Trial) selects() *Trial {
	rng := rand.New(rand.NewPCG(t.Seed, 6))
	best := &ledger.Best{Metric: "loss", Mode: ledger.Min, By: ledger.ByMedian}
	if rng.IntN(2) == 0 {
		best.Metric, best.Mode = "accuracy", ledger.Max
	}
	if rng.IntN(3) == 0 {
		best.By = ledger.ByMean
	}
	if rng.IntN(3) == 0 {
		best.MinDelta = 0.25 // much of an accuracy, little of a loss
	}
	t.Rounds += rng.Uint64N(4)
	t.Selection = &ledger.Terms{Best: best, StopAfter: rng.Uint64N(4)}
	if rng.IntN(4) == 0 {
		every := 1 + rng.Uint64N(2)
		t.Selection.Every = &every
	}
	for i := range t.Liars {
		if rng.IntN(2) == 0 {
			t.Liars[i].Adversary = []string{(&MetricLiar{}).Name(), Boaster{}.Name(), string(MaxFloat)}[t.Seed%3]
		}
	}
	return t
}

// asksFirst has runs asked for before they are opened; a liar in two then asks for many.
func (t *Trial) asksFirst() *Trial {
	t.Asks = true
	rng := rand.New(rand.NewPCG(t.Seed, 7))
	for i := range t.Liars {
		if rng.IntN(2) == 0 {
			t.Liars[i].Adversary = (&Asker{Baseless: rng.IntN(3) == 0}).Name()
		}
	}
	return t
}

// rolls has the disks of some of the sites that the mesh must withstand put back to earlier states instead, again and again, with
// trainings that yield something else each time; of the liars that remain some wait for sites that restart.
func (t *Trial) rolls() *Trial {
	rng := rand.New(rand.NewPCG(t.Seed, 7))
	t.Work.Varies = true
	opener := t.opener() // it stays who it is
	var liars []LiarAt
	for _, l := range t.Liars {
		switch {
		case rng.IntN(2) == 0 && l.Site != opener:
			for range 1 + rng.IntN(4) {
				t.Plan = append(t.Plan, t.rollback(rng, l.Site))
			}
			continue
		case rng.IntN(2) == 0:
			l.Adversary = (&Silencer{}).Name()
		}
		liars = append(liars, l)
	}
	t.Liars = liars
	return t
}

// rollback draws how a site is put back to an earlier state. That takes longer than a message is on its way.
func (t *Trial) rollback(rng *rand.Rand, site int) Fault {
	f := t.fault(rng, Rollback, site)
	f.For, f.Value = 5*time.Second+f.For, 60*rng.Float64()*rng.Float64()
	return f
}

// draw draws who lies and what goes wrong. Who loses its disk counts as one that the mesh must
// withstand, as it has forgotten what it held.
func (t *Trial) draw(rng *rand.Rand, name string) {
	f := 0
	if t.Faults == ledger.Byzantine {
		f = (t.Sites - 1) / 3
	}
	order := rng.Perm(t.Sites)
	bad, good := order[:f], order[f:]
	if rng.IntN(3) == 0 {
		bad, good = order[:rng.IntN(f+1)], order[f:]
	}
	kinds := slices.DeleteFunc(slices.Clone(FaultKinds), func(k FaultKind) bool { return k == LoseDisk || k == Rollback })
	for _, site := range bad {
		if rng.IntN(4) == 0 {
			t.Plan = append(t.Plan, t.fault(rng, LoseDisk, site))
			continue
		}
		liar := LiarAt{site, t.adversary(rng)}
		if name != "" {
			liar.Adversary = name
		}
		t.Liars = append(t.Liars, liar)
		if liar.Adversary == "splitter" {
			t.isolate(rng, good)
		}
	}
	for range rng.IntN(10) {
		t.Plan = append(t.Plan, t.fault(rng, kinds[rng.IntN(len(kinds))], order[rng.IntN(t.Sites)]))
	}
}

// adversary draws a kind; those that attack the agreement itself more often than the many others.
func (t *Trial) adversary(rng *rand.Rand) string {
	names := slices.DeleteFunc(AdversaryNames(), func(name string) bool {
		return slices.Contains([]string{"metric-liar", "futurist", "boaster", "one-step", "max-float", "asker", "baseless", "silencer", "complainer"}, name) // see selects, asksFirst and rolls; one kind more would change all that is drawn
	})
	if rng.IntN(2) == 0 {
		names = []string{"equivocator", "splitter", "double-voter", "colluder"}
	}
	return names[rng.IntN(len(names))]
}

// isolate gives a splitter what it needs of the world: that whoever decides is cut off for a while, and
// maybe that another site crashes when it has precommitted.
func (t *Trial) isolate(rng *rand.Rand, good []int) {
	crash := rng.IntN(2) == 0
	for nth := uint64(1); nth <= 12; nth++ {
		for _, site := range good {
			t.Plan = append(t.Plan, Fault{
				Kind: Partition, On: "decide", Nth: nth, Sites: []int{site}, For: time.Duration(3+rng.IntN(5)) * time.Second,
			})
		}
		if crash && rng.IntN(2) == 0 {
			t.Plan = append(t.Plan, Fault{
				Kind: Crash, On: "precommit", Nth: nth, At: time.Duration(rng.Int64N(int64(20 * time.Millisecond))),
				Sites: []int{good[rng.IntN(len(good))]}, For: time.Duration(100+rng.IntN(1500)) * time.Millisecond,
			})
		}
	}
}

// fault draws one fault; every one is mended.
func (t *Trial) fault(rng *rand.Rand, kind FaultKind, site int) Fault {
	f := Fault{
		Kind: kind, At: time.Duration(rng.Int64N(int64(chaos))), For: time.Millisecond + time.Duration(rng.Int64N(int64(faultLast))),
		Sites: []int{site},
	}
	if rng.IntN(2) == 0 { // at a moment that matters to the protocol
		moments := []trace.Kind{"ready", "propose", "prevote", "precommit", "decide", "announce", "reduced", "view"}
		f.On, f.Nth, f.At = moments[rng.IntN(len(moments))], 1+rng.Uint64N(8), time.Duration(rng.Int64N(int64(200*time.Millisecond)))
		f.For = time.Millisecond + time.Duration(rng.Int64N(int64(5*time.Second)))
	}
	switch kind {
	case Crash, StallDisk, Sick:
		if rng.IntN(4) == 0 { // many at once
			f.Sites = rng.Perm(t.Sites)[:1+rng.IntN(t.Sites)]
		}
	case Partition, Cut:
		if f.On == "" || rng.IntN(2) == 0 { // else it is the site alone
			f.Sites = rng.Perm(t.Sites)[:1+rng.IntN(t.Sites-1)]
		}
	case Loss, Duplicate:
		f.Sites, f.Value = nil, 0.5*rng.Float64()
	case Delay:
		f.Sites, f.Value = nil, 2*rng.Float64()
	case Slow:
		f.Value = 1 + 10*rng.Float64()
	case SlowDisk:
		f.Value = rng.Float64()
	case Jump:
		f.Value = 60 * rng.Float64()
	}
	if f.On == "" {
		slices.Sort(f.Sites)
	} else if len(f.Sites) == 0 {
		f.Sites = []int{site}
	}
	return f
}

// Config returns the trial as a world's configuration, with adversaries that have done nothing yet.
func (t *Trial) Config() Config {
	work := t.Work
	spec, protocol := work.Spec("trial", t.Rounds), uint64(0)
	if t.Selection != nil { // these go by the newest rules, the others by the first
		spec.Selection, protocol, work.Figures = ledger.NewSelection(*t.Selection), ledger.Newest, true
		spec.Late = ledger.Average
	}
	if !t.Late {
		spec.Late, spec.LateNum, spec.LateDen, spec.LateMax = ledger.Drop, 0, 0, 0
	}
	if t.Asks {
		protocol = ledger.Newest
	}
	rng := rand.New(rand.NewPCG(t.Seed, 4))
	c := Config{Protocol: protocol, Seed: t.Seed, Faults: t.Faults, Workload: &work, Plan: t.Plan, Check: true}
	for i := range t.Sites + t.Joiners {
		s := Site{
			Name: fmt.Sprint(i + 1), Outside: i >= t.Sites, Sync: time.Duration(rng.Int64N(int64(t.Sync) + 1)),
			Clock: Clock{Offset: time.Duration(rng.Int64N(int64(time.Hour))), Drift: 400*rng.Float64() - 200},
		}
		for _, l := range t.Liars {
			if l.Site == i {
				s.Adversary = NewAdversary(l.Adversary)
			}
		}
		c.Sites = append(c.Sites, s)
	}
	c.Acts = []Act{{At: 3 * time.Second, Site: t.opener(), Do: runs.OpenRun{Spec: spec}}}
	far := rng.Float64()
	c.Path = func(from, to int) Path {
		p := t.Net
		if part := float64((from*7+to*7)%5) / 4; far > 0.3 { // some pairs are near
			p.Latency = time.Duration(part * float64(p.Latency))
		}
		return p
	}
	return c
}

// opener returns who asks for the run: one that is honest, and keeps its disk, since its wish and the base are
// there alone.
func (t *Trial) opener() (site int) {
	for t.bad(site) && site+1 < t.Sites {
		site++
	}
	return site
}

// bad reports whether a site is one of those that the mesh must withstand.
func (t *Trial) bad(site int) bool {
	return slices.ContainsFunc(t.Liars, func(l LiarAt) bool { return l.Site == site }) ||
		slices.ContainsFunc(t.Plan, func(f Fault) bool {
			return (f.Kind == LoseDisk || f.Kind == Rollback) && slices.Contains(f.Sites, site)
		})
}

// limits returns when no more faults begin by time, and when it must have finished.
func (t *Trial) limits() (calm, end time.Duration) {
	calm = chaos
	for i := range t.Plan {
		if t.Plan[i].On == "" {
			calm = max(calm, t.Plan[i].End())
		}
	}
	training := time.Duration(float64(t.Work.Time) * (1 + t.Work.Spread) * 11)
	return calm, calm + time.Duration(t.Rounds+1)*(4*training+10*time.Minute)
}

// Play plays the trial and returns its world and the violation, if there was one.
func (t *Trial) Play(observe func(at time.Duration, site int, tr trace.Event)) (*World, error) {
	c := t.Config()
	c.Observe = observe
	return t.play(c)
}

// play plays the trial in the world that Config made, to which a caller may have added listeners.
func (t *Trial) play(c Config) (*World, error) {
	w, err := New(c)
	if err != nil {
		return nil, err
	}
	calm, end := t.limits()
	if err := w.Run(calm, nil); err != nil {
		return w, err
	}
	if !w.Finished() {
		if err := w.Run(end, w.Finished); err != nil {
			return w, err
		}
	}
	if !w.Finished() {
		w.fail(-1, PromiseProgress, fmt.Sprintf("the run has not finished %v after the last fault: %s", end-calm, w.standing()))
		return w, w.failed
	}
	closing := time.Minute
	if t.Selection != nil {
		closing = 10 * time.Minute // sites wait that long for figures that do not come
	}
	if err := w.Run(w.Now()+closing, nil); err != nil {
		return w, err
	}
	return w, w.Settle()
}

// standing says where each site is.
func (w *World) standing() string {
	var b strings.Builder
	for _, s := range w.sites {
		fmt.Fprintf(&b, "%s height %d", s.Name, s.machine.Ledger().Height())
		for _, r := range s.machine.Ledger().Runs() {
			fmt.Fprintf(&b, " round %d", r.Round)
		}
		if !s.up {
			b.WriteString(" down")
		}
		b.WriteString("; ")
	}
	return b.String()
}

// String is the trial as JSON on one line.
func (t *Trial) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // plain fields of ours
	}
	return string(b)
}

// Shrink returns the smallest trial that it finds, in so many plays, that breaks the same promise: with
// faults and liars left out, faults shorter, fewer rounds.
func (t *Trial) Shrink(promise string, plays int) *Trial {
	breaks := func(c *Trial) bool {
		if plays--; plays < 0 {
			return false
		}
		_, err := c.Play(nil)
		var v *Violation
		return errors.As(err, &v) && v.Promise == promise
	}
	best := *t
	for smaller := true; smaller && plays > 0; {
		smaller = false
		for _, c := range best.smaller() {
			if breaks(c) {
				best, smaller = *c, true
				break
			}
		}
	}
	return &best
}

// smaller returns the trials that are one step smaller.
func (t *Trial) smaller() (list []*Trial) {
	add := func(edit func(c *Trial)) {
		c := *t
		c.Plan, c.Liars = slices.Clone(t.Plan), slices.Clone(t.Liars)
		edit(&c)
		list = append(list, &c)
	}
	if n := len(t.Plan); n > 2 { // halves first
		add(func(c *Trial) { c.Plan = c.Plan[:n/2] })
		add(func(c *Trial) { c.Plan = c.Plan[n/2:] })
	}
	for i := range t.Plan {
		add(func(c *Trial) { c.Plan = slices.Delete(c.Plan, i, i+1) })
	}
	for i := range t.Liars {
		add(func(c *Trial) { c.Liars = slices.Delete(c.Liars, i, i+1) })
	}
	if t.Net.Loss > 0 || t.Net.Duplicate > 0 {
		add(func(c *Trial) { c.Net.Loss, c.Net.Duplicate = 0, 0 })
	}
	if t.Sync > 0 {
		add(func(c *Trial) { c.Sync = 0 })
	}
	if t.Rounds > 1 {
		add(func(c *Trial) { c.Rounds-- })
	}
	for i := range t.Plan {
		if t.Plan[i].For > time.Second {
			add(func(c *Trial) { c.Plan[i].For /= 2 })
		}
		for k := range t.Plan[i].Sites {
			if len(t.Plan[i].Sites) > 1 {
				add(func(c *Trial) { c.Plan[i].Sites = slices.Delete(slices.Clone(c.Plan[i].Sites), k, k+1) })
			}
		}
	}
	return list
}
