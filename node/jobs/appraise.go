package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/yamlfile"
)

// Appraisal is what a site makes of a run that is asked for, or was opened by others.
type Appraisal struct {
	Waits  bool   // for the operator's answer
	Bytes  uint64 // of its model, with what it has beside its weights; 0: its manifest is not here yet
	Held   string // why this site does not consent by itself, as it does to other runs; empty if nothing holds it back
	Refuse string // why it cannot take part; empty if it can
}

// appraisals answer on runs by the site's policy: by the description, and by the manifests and layouts that it names alone.
type appraisals struct {
	self      peer.ID
	site      *config.Live
	knows     reduction.Knows
	artifacts *artifacts
	answers   *answers
	host      Host
	log       *slog.Logger
	start     time.Time

	mu        sync.Mutex
	all       map[block.CID]*Appraisal
	looks     map[peer.ID]*looks
	allowance runs.Allowance
}

func newAppraisals(c Config, a *artifacts, w *answers) *appraisals {
	return &appraisals{
		self: c.Self, site: c.Site, knows: c.Knows, artifacts: a, answers: w, host: c.Host, log: c.Log, start: time.Now(),
		all: map[block.CID]*Appraisal{}, looks: map[peer.ID]*looks{},
	}
}

// of returns what the site makes of a run, as far as it knows.
func (a *appraisals) of(run block.CID) Appraisal {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := Appraisal{}
	if known := a.all[run]; known != nil {
		k = *known
	}
	k.Waits = a.answers.waits(run)
	return k
}

// begin notes that a run is appraised; it reports whether that is news. Those of runs that are gone are forgotten.
func (a *appraisals) begin(run block.CID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.host.Seen()
	for id := range a.all {
		if id != run && !seen.Live(id) {
			delete(a.all, id)
			a.answers.given(id)
		}
	}
	if a.all[run] != nil {
		return false
	}
	a.all[run] = &Appraisal{}
	return true
}

// note changes what is known of a run.
func (a *appraisals) note(run block.CID, change func(*Appraisal)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.all[run]; known != nil {
		change(known)
	}
}

// decide answers on a run by the site's policy, or leaves it to the operator. It ends when the run does.
func (a *appraisals) decide(ctx context.Context, run block.CID, spec *ledger.RunSpec, unknown []string) {
	own := spec.By == a.self
	opener := a.host.Seen().SiteName(spec.By)
	accept, known := a.site.Now().Accept.Decide(spec, opener, own)
	if why := a.knows.Unknown(&ledger.Run{Spec: spec, Unknown: unknown}); why != "" {
		a.decline(ctx, run, spec, "this weft does not know what it asks for: "+why)
		return
	}
	if !known {
		a.answers.ask(run)
		a.log.Info("a run waits for your consent", "run", run.Short(), "name", spec.Name, "from", opener)
	} else {
		a.answers.byPolicy(run, accept)
	}
	if own || !a.mustLook(run) {
		if known {
			a.answer(ctx, run, accept)
		}
		return
	}
	bytes, err := a.look(ctx, run, spec)
	switch {
	case ctx.Err() != nil || errors.Is(err, errGone):
		return
	case err != nil:
		a.decline(ctx, run, spec, err.Error())
		return
	}
	a.note(run, func(k *Appraisal) { k.Bytes = bytes })
	if why := tooLarge(a.site.Now(), bytes, a.host.Seen().Sites()); why != "" {
		a.decline(ctx, run, spec, why)
		return
	}
	if known && a.allowed(ctx, run, spec) {
		a.answer(ctx, run, accept)
	}
}

// mustLook reports whether the site looks at what a run begins with before it consents: it is asked for, or may be too large.
func (a *appraisals) mustLook(run block.CID) bool {
	return a.host.Seen().Asks(run) || a.site.Now().MaxModel > 0
}

func (a *appraisals) answer(ctx context.Context, run block.CID, accept bool) {
	a.host.Deliver(ctx, runs.Considered{Run: run, Accept: accept, Samples: uint64(a.site.Now().Samples)})
}

// decline keeps the site out of a run that it cannot take part in, and tells the others why.
func (a *appraisals) decline(ctx context.Context, run block.CID, spec *ledger.RunSpec, why string) {
	a.note(run, func(k *Appraisal) { k.Refuse = why })
	a.answers.given(run)
	a.log.Warn("a run is declined", "run", run.Short(), "name", spec.Name, "reason", why)
	a.host.Deliver(ctx, runs.Considered{Run: run, Reason: shortened(why, ledger.MaxReason)})
}

// shortened cuts a text to so many bytes, without half a character at its end.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return string([]rune(text)[:most/4])
}

// roomFor returns the bytes that a run takes at a site: its model, an update of each site, and the next model.
func roomFor(model uint64, sites int) uint64 { return model * uint64(sites+2) }

// tooLarge says why a run would take more room than the site gives one.
func tooLarge(c *config.Config, bytes uint64, sites int) string {
	if room := roomFor(bytes, sites); c.MaxModel > 0 && room > uint64(c.MaxModel) {
		return fmt.Sprintf("its model has %s and with an update of each of %d sites it takes %s; this site gives a run %s (max_model)", yamlfile.Size(bytes), sites, yamlfile.Size(room), c.MaxModel)
	}
	return ""
}
