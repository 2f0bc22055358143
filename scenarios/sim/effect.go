package sim

import (
	"slices"
	"time"

	"github.com/weft-mesh/weft/round"
)

// effect is what a kind of fault does to the world. Faults may overlap, so what one has done is undone by itself.
type effect struct {
	apply func(w *World, f *Fault, hit []*site)
	undo  func(w *World, f *Fault, hit []*site) // nil: it is over at once
}

// newEffects returns the effect of every kind.
func newEffects() map[FaultKind]effect {
	return map[FaultKind]effect{
		Crash:     {each(func(s *site, _ *Fault) { s.crash() }), each(func(s *site, _ *Fault) { s.boot() })},
		LoseDisk:  {each(func(s *site, _ *Fault) { s.loseDisk() }), each(func(s *site, _ *Fault) { s.boot() })},
		Rollback:  {each(func(s *site, f *Fault) { s.rollBack(f.seconds()) }), each(func(s *site, _ *Fault) { s.boot() })},
		Partition: {(*World).cutLinks, (*World).healLinks},
		Cut:       {(*World).cutLinks, (*World).healLinks},
		Loss: {
			func(w *World, f *Fault, _ []*site) { w.net.loss += f.Value },
			func(w *World, f *Fault, _ []*site) { w.net.loss = max(0, w.net.loss-f.Value) },
		},
		Duplicate: {
			func(w *World, f *Fault, _ []*site) { w.net.double += f.Value },
			func(w *World, f *Fault, _ []*site) { w.net.double = max(0, w.net.double-f.Value) },
		},
		Delay: {
			func(w *World, f *Fault, _ []*site) { w.net.delay += f.seconds() },
			func(w *World, f *Fault, _ []*site) { w.net.delay -= f.seconds() },
		},
		Slow:      {each(func(s *site, f *Fault) { s.slow *= f.Value }), each(func(s *site, f *Fault) { s.slow /= f.Value })},
		SlowDisk:  {each(func(s *site, f *Fault) { s.sync += f.seconds() }), each(func(s *site, f *Fault) { s.sync -= f.seconds() })},
		StallDisk: {each(func(s *site, _ *Fault) { s.stalled++ }), each(func(s *site, _ *Fault) { s.stalled--; s.syncSoon() })},
		Jump:      {apply: each(func(s *site, f *Fault) { s.jump(f.seconds()) })},
		Sick:      {each(func(s *site, _ *Fault) { s.sick++ }), each(func(s *site, _ *Fault) { s.sick-- })},

		Add:    {apply: func(w *World, f *Fault, hit []*site) { w.want(&intent{in: hit[0], few: f.Few, waver: f.Waver}) }},
		Remove: {apply: func(w *World, f *Fault, hit []*site) { w.want(&intent{out: hit[0], few: f.Few, waver: f.Waver}) }},
		Replace: {apply: func(w *World, f *Fault, hit []*site) {
			w.want(&intent{out: hit[0], in: hit[1], few: f.Few, waver: f.Waver})
		}},
	}
}

// each is what is done to every site that is hit.
func each(do func(*site, *Fault)) func(*World, *Fault, []*site) {
	return func(_ *World, f *Fault, hit []*site) {
		for _, s := range hit {
			do(s, f)
		}
	}
}

// seconds is the fault's value as a time.
func (f *Fault) seconds() time.Duration { return time.Duration(f.Value * float64(time.Second)) }

func (w *World) cutLinks(f *Fault, hit []*site) {
	for _, p := range w.pairs(f, hit) {
		w.net.cut(p[0], p[1])
	}
}

func (w *World) healLinks(f *Fault, hit []*site) {
	for _, p := range w.pairs(f, hit) {
		w.net.heal(p[0], p[1])
	}
}

// jump sets a site's clock ahead; its alarms ring accordingly.
func (s *site) jump(d time.Duration) {
	if !s.up {
		return
	}
	s.clock.jump += d
	s.happen(round.Alarm{})
}

// targets returns the sites that a fault is about.
func (w *World) targets(f *Fault) (hit []*site) {
	if len(f.Sites) == 0 {
		return w.sites
	}
	for _, i := range f.Sites {
		hit = append(hit, w.sites[i])
	}
	return hit
}

// pairs returns the links that a fault cuts.
func (w *World) pairs(f *Fault, hit []*site) (pairs [][2]*site) {
	for i, a := range hit {
		if f.Kind == Cut {
			for _, b := range hit[i+1:] {
				pairs = append(pairs, [2]*site{a, b})
			}
			continue
		}
		for _, b := range w.sites {
			if !slices.Contains(hit, b) {
				pairs = append(pairs, [2]*site{a, b})
			}
		}
	}
	return pairs
}
