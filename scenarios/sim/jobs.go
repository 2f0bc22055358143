package sim

import (
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

const (
	stallWait  = 10 * time.Second // until a provider that sends nothing is left for another
	searchWait = 5 * time.Second  // between two searches for somebody who has an artifact
	manyAsked  = 4                // holders that a fetch looks at, beside the owner
)

// start begins a job of the machine's; what it yields comes as an event.
func (s *site) start(j runs.Job) {
	switch j := j.(type) {
	case runs.Consider:
		s.later(0, func() { s.happen(runs.Considered{Run: j.Run, Accept: !s.Decline}) })
	case runs.Weigh:
		s.later(0, func() { s.weigh(j) })
	case runs.Train:
		s.train(j)
	case runs.StopTrain:
		delete(s.training, j.Run)
	case runs.Fetch:
		s.fetch(j)
	case runs.Forget:
		s.forget(j)
	case runs.Reduce:
		s.reduce(j)
	case runs.Measure:
		s.measure(j)
	}
}

// finds returns what the site finds of a model, with no samples if it measures none.
func (s *site) finds(model block.CID) ledger.Measured {
	if m, ok := s.w.cfg.Workload.(Measurer); ok {
		if found, measures := m.Measure(s.i, model); measures {
			return found
		}
	}
	return ledger.Measured{}
}

// change returns by what norm an update changes a model, and why it is refused for that, if it is; 0 in workloads that pretend.
func change(w Workload, update, base block.CID) (norm float64, invalid string) {
	if c, ok := w.(Changer); ok {
		return c.Change(update, base)
	}
	return 0, ""
}

// measure measures the last model of a run, and of the updates that it is asked for those that are here.
func (s *site) measure(j runs.Measure) {
	m := s.finds(j.Model)
	done, took := runs.Measured{Run: j.Run, Model: j.Model, Figures: m}, m.Took
	for _, u := range j.Updates {
		if of := s.finds(u.Manifest); s.has(u.Manifest) && of.Samples > 0 {
			done.Cross = append(done.Cross, ledger.CrossRow{Site: u.Site, Samples: of.Samples, Metrics: of.Metrics})
			took += of.Took
		}
	}
	s.later(s.pace(time.Duration(took)*time.Millisecond), func() { s.happen(done) })
}

// later does something in this life of the site.
func (s *site) later(d time.Duration, do func()) {
	life := s.life
	s.w.after(d, func() {
		if s.life == life {
			do()
		}
	})
}

// pace returns how long this site takes over what takes d on a site of ordinary speed.
func (s *site) pace(d time.Duration) time.Duration {
	return time.Duration(float64(d) * s.Slow * s.slow)
}

func (s *site) train(j runs.Train) {
	s.training[j.Run] = &j
	done, err := s.w.cfg.Workload.Train(s.i, j)
	if m := s.finds(j.Base); m.Samples > 0 && !j.Unmeasured {
		done.Figures, done.Took = &m, done.Took+time.Duration(m.Took)*time.Millisecond
	}
	if s.liar != nil && err == nil && done.Skip == "" {
		done, err = s.liar.trained(j, done)
	}
	took := s.pace(done.Took)
	if j.Left > 0 && took > j.Left { // the bell
		done.Steps = max(1, uint64(float64(done.Steps)*float64(j.Left)/float64(took)))
		took = j.Left
	}
	s.later(took, func() {
		if s.training[j.Run] != &j {
			return
		}
		delete(s.training, j.Run)
		if err == nil && s.sick > 0 {
			err = errSick
		}
		if err != nil {
			s.happen(runs.TrainFailed{Run: j.Run, Round: j.Round, Opened: j.Opened, Err: err.Error()})
			return
		}
		if done.Skip != "" {
			s.happen(runs.Skipped{Run: j.Run, Round: j.Round, Opened: j.Opened, Reason: done.Skip})
			return
		}
		s.hold(done.Update.Manifest)
		s.announced[j.Opened] = done.Update.Manifest
		norm, _ := change(s.w.cfg.Workload, done.Update.Manifest, j.Base)
		s.happen(runs.Trained{
			Run: j.Run, Round: j.Round, Opened: j.Opened, Attempt: j.Attempt,
			Manifest: done.Update.Manifest, Samples: done.Samples, Steps: done.Steps, Metrics: done.Metrics, Figures: done.Figures, Norm: norm, Lent: !s.Unlent,
		})
	})
}

func (s *site) reduce(j runs.Reduce) {
	done, err := s.w.cfg.Workload.Reduce(j)
	if err != nil {
		s.w.fail(s.i, "reduce", err.Error())
		return
	}
	if s.liar != nil {
		done = s.liar.reduced(j, done)
	}
	s.later(s.pace(done.Took), func() {
		if done.Bad == nil {
			s.holdModel(done.Model.Manifest)
			if done.State.Manifest.Defined() {
				s.holdModel(done.State.Manifest)
			}
		}
		s.happen(runs.Reduced{Seal: j.Seal, Model: done.Model.Manifest, State: done.State.Manifest, Bad: done.Bad})
	})
}

func (s *site) has(manifest block.CID) bool { _, ok := s.holds[manifest]; return ok }

// hold puts an artifact into the site's store; those that look for it find it now.
func (s *site) hold(manifest block.CID) {
	if s.has(manifest) {
		return
	}
	s.holds[manifest] = s.w.now
	s.w.holders[manifest] = append(s.w.holders[manifest], s)
	waiting := s.w.waiting[manifest]
	delete(s.w.waiting, manifest)
	for _, f := range waiting {
		f.search()
	}
}

// holdModel puts a model into the site's store, where it stays though an update has the same manifest.
func (s *site) holdModel(manifest block.CID) {
	s.models[manifest] = true
	s.hold(manifest)
}

// forget ends an artifact's fetch, and removes it if it is an update and nothing else.
func (s *site) forget(j runs.Forget) {
	for _, f := range s.fetching {
		if f.job.Manifest == j.Manifest && f.job.Run == j.Run {
			f.end()
			break
		}
	}
	if j.Update && s.has(j.Manifest) && !s.models[j.Manifest] {
		delete(s.holds, j.Manifest)
		s.w.holders[j.Manifest] = without(s.w.holders[j.Manifest], s)
		s.later(0, func() {
			if !s.has(j.Manifest) {
				s.happen(runs.Lost{Manifest: j.Manifest})
			}
		})
	}
}

// fetch is an artifact on its way to a site.
type fetch struct {
	s       *site
	job     runs.Fetch
	over    bool
	asking  *site // who sends it now; nil: nobody
	refused []*site
}

// fetch has an artifact fetched, as often as it takes.
func (s *site) fetch(j runs.Fetch) {
	if s.w.check != nil {
		s.w.check.seeks(s, j)
	}
	f := &fetch{s: s, job: j}
	if s.has(j.Manifest) {
		s.later(0, f.fetched)
		return
	}
	s.fetching = append(s.fetching, f)
	f.search()
}

func (s *site) retryFetches() {
	for _, f := range slices.Clone(s.fetching) {
		f.search()
	}
}

func (f *fetch) end() {
	f.over = true
	f.s.fetching = slices.DeleteFunc(f.s.fetching, func(o *fetch) bool { return o == f })
}

// search asks the site that would be done first; without one it waits until somebody has it.
func (f *fetch) search() {
	if f.over || f.asking != nil {
		return
	}
	a, known := f.s.w.cfg.Workload.Describe(f.job.Manifest)
	if from := f.provider(); known && from != nil {
		f.ask(from, a)
		return
	}
	w := f.s.w
	if !slices.Contains(w.waiting[f.job.Manifest], f) {
		w.waiting[f.job.Manifest] = append(w.waiting[f.job.Manifest], f)
		f.s.later(searchWait, func() {
			w.waiting[f.job.Manifest] = slices.DeleteFunc(w.waiting[f.job.Manifest], func(o *fetch) bool { return o == f })
			f.refused = nil
			f.search()
		})
	}
}

// provider returns the reachable holder that is free first among a few, or nil.
func (f *fetch) provider() *site {
	w := f.s.w
	holders := w.holders[f.job.Manifest]
	var best *site
	try := func(o *site) {
		if o == f.s || !o.up || !w.net.reaches(o.i, f.s.i) || slices.Contains(f.refused, o) {
			return
		}
		if best == nil || w.net.up[o.i] < w.net.up[best.i] {
			best = o
		}
	}
	if len(holders) <= 2*manyAsked {
		for _, o := range holders {
			try(o)
		}
	} else {
		for range manyAsked {
			try(holders[w.net.rng.IntN(len(holders))])
		}
		if owner, known := w.index[f.job.Owner]; known && w.sites[owner].has(f.job.Manifest) {
			try(w.sites[owner])
		}
	}
	if best != nil && f.job.Owner != "" && !best.serves(f) {
		f.refused = append(f.refused, best)
		return f.provider()
	}
	return best
}

// serves reports whether a holder gives an update to who asks: it must take part in the run, as far
// as the holder knows.
func (s *site) serves(f *fetch) bool {
	return s.machine.Participates(f.job.Run, f.s.id)
}

func (f *fetch) ask(from *site, a Artifact) {
	f.asking = from
	service := Serve
	if from.liar != nil {
		service = from.liar.serves(f.job.Manifest, f.s.id)
	}
	if service == Withhold {
		f.s.later(stallWait, func() { f.turnAway(from, "") })
		return
	}
	life := from.life
	f.s.later(f.s.w.net.transfer(from, f.s, a.Bytes), func() {
		switch {
		case f.over:
		case from.life != life || !f.s.w.net.reaches(from.i, f.s.i): // it broke off
			f.asking = nil
			f.search()
		case service == Garbage:
			f.turnAway(from, "sent a block that does not match its CID")
		default:
			f.s.w.net.account(from, f.s, a.Bytes)
			f.fetched()
		}
	})
}

// turnAway leaves a provider for another.
func (f *fetch) turnAway(from *site, why string) {
	if f.over {
		return
	}
	if why != "" {
		f.s.w.observe(f.s.i, trace.Dropped{Subject: trace.Of(from.id), Why: why})
	}
	f.asking = nil
	f.refused = append(f.refused, from)
	f.search()
}

// fetched tells the machine that the artifact is there, or is useless.
func (f *fetch) fetched() {
	f.end()
	a, _ := f.s.w.cfg.Workload.Describe(f.job.Manifest)
	why := a.Invalid
	if why == "" && a.Layout != f.job.Layout {
		why = "another layout"
	}
	if why == "" {
		f.s.hold(f.job.Manifest)
		f.s.models[f.job.Manifest] = f.s.models[f.job.Manifest] || f.job.Owner == ""
	}
	done := runs.Fetched{Manifest: f.job.Manifest, Layout: f.job.Layout, State: f.job.State, Base: f.job.Base, Invalid: why}
	if why == "" && f.job.Base.Defined() {
		done.Norm, done.Invalid = change(f.s.w.cfg.Workload, f.job.Manifest, f.job.Base)
	}
	f.s.happen(done)
}
