package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/round"
)

// TrialSizes are the meshes that trials are made of.
var TrialSizes = []int{3, 4, 5, 7, 10, 16, 31}

// Trial is a random mesh with random faults and liars, no more of them than it withstands, all drawn
// from one seed. After the last fault it must find its way: finish its run, with every promise held.
type Trial struct {
	Seed   uint64        `json:"seed"`
	Sites  int           `json:"sites"`
	Faults round.Faults  `json:"faults"`
	Rounds uint64        `json:"rounds"`
	Late   bool          `json:"late"` // late updates are carried
	Liars  []LiarAt      `json:"liars,omitempty"`
	Plan   []Fault       `json:"plan,omitempty"`
	Net    Path          `json:"net"`  // of the worst pair; the others are between it and nothing
	Sync   time.Duration `json:"sync"` // of the slowest disk
	Work   Synthetic     `json:"work"`
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

// NewTrial draws the trial of a seed; sites 0 draws the size too.
func NewTrial(seed uint64, sites int) *Trial {
	rng := rand.New(rand.NewPCG(seed, 3))
	if sites == 0 {
		sites = TrialSizes[seed%uint64(len(TrialSizes))]
	}
	t := &Trial{Seed: seed, Sites: sites, Faults: round.Byzantine, Rounds: 2 + rng.Uint64N(4), Late: rng.IntN(3) > 0}
	if rng.IntN(4) == 0 {
		t.Faults = round.Crash
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
	t.draw(rng)
	return t
}

// draw draws who lies and what goes wrong. Who loses its disk counts as one that the mesh must
// withstand, as it has forgotten what it held.
func (t *Trial) draw(rng *rand.Rand) {
	f := 0
	if t.Faults == round.Byzantine {
		f = (t.Sites - 1) / 3
	}
	order := rng.Perm(t.Sites)
	bad := order[:rng.IntN(f+1)]
	kinds := slices.DeleteFunc(slices.Clone(FaultKinds), func(k FaultKind) bool { return k == LoseDisk })
	for _, site := range bad {
		if names := AdversaryNames(); rng.IntN(4) > 0 && len(names) > 0 {
			t.Liars = append(t.Liars, LiarAt{site, names[rng.IntN(len(names))]})
			continue
		}
		t.Plan = append(t.Plan, t.fault(rng, LoseDisk, site))
	}
	for range rng.IntN(10) {
		t.Plan = append(t.Plan, t.fault(rng, kinds[rng.IntN(len(kinds))], order[rng.IntN(t.Sites)]))
	}
}

// fault draws one fault; every one is mended.
func (t *Trial) fault(rng *rand.Rand, kind FaultKind, site int) Fault {
	f := Fault{
		Kind: kind, At: time.Duration(rng.Int64N(int64(chaos))), For: time.Millisecond + time.Duration(rng.Int64N(int64(faultLast))),
		Sites: []int{site},
	}
	switch kind {
	case Crash, StallDisk, Sick:
		if rng.IntN(4) == 0 { // many at once
			f.Sites = rng.Perm(t.Sites)[:1+rng.IntN(t.Sites)]
		}
	case Partition, Cut:
		f.Sites = rng.Perm(t.Sites)[:1+rng.IntN(t.Sites-1)]
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
	slices.Sort(f.Sites)
	return f
}

// Config returns the trial as a world's configuration, with adversaries that have done nothing yet.
func (t *Trial) Config() Config {
	work := t.Work
	spec := work.Spec("trial", t.Rounds)
	if !t.Late {
		spec.Late, spec.LateNum, spec.LateDen, spec.LateMax = round.Drop, 0, 0, 0
	}
	rng := rand.New(rand.NewPCG(t.Seed, 4))
	c := Config{Seed: t.Seed, Faults: t.Faults, Workload: &work, Plan: t.Plan, Check: true}
	for i := range t.Sites {
		s := Site{
			Name: fmt.Sprint(i + 1), Sync: time.Duration(rng.Int64N(int64(t.Sync) + 1)),
			Clock: Clock{Offset: time.Duration(rng.Int64N(int64(time.Hour))), Drift: 400*rng.Float64() - 200},
		}
		for _, l := range t.Liars {
			if l.Site == i {
				s.Adversary = NewAdversary(l.Adversary)
			}
		}
		c.Sites = append(c.Sites, s)
	}
	opener := 0 // an honest one
	for t.lies(opener) {
		opener++
	}
	c.Acts = []Act{{At: 3 * time.Second, Site: opener, Do: round.OpenRun{Spec: spec}}}
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

func (t *Trial) lies(site int) bool {
	return slices.ContainsFunc(t.Liars, func(l LiarAt) bool { return l.Site == site })
}

// limits returns when the trial is calm and when it must have finished.
func (t *Trial) limits() (calm, end time.Duration) {
	calm = chaos
	for i := range t.Plan {
		calm = max(calm, t.Plan[i].End())
	}
	training := time.Duration(float64(t.Work.Time) * (1 + t.Work.Spread) * 11)
	return calm, calm + time.Duration(t.Rounds+1)*(4*training+10*time.Minute)
}

// Play plays the trial and returns its world and the violation, if there was one.
func (t *Trial) Play(observe func(at time.Duration, site int, tr round.Trace)) (*World, error) {
	c := t.Config()
	c.Observe = observe
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
	if err := w.Run(w.Now()+time.Minute, nil); err != nil {
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
		v, ok := err.(*Violation)
		return ok && v.Promise == promise
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
