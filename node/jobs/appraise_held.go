package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/yamlfile"
)

// lookAgain is how long it takes until a run that the site may not take part in by itself is looked at again.
const lookAgain = 10 * time.Second

// allowed waits until the site may consent to a run by itself, and reports whether it may: no longer once the operator has answered.
func (a *appraisals) allowed(ctx context.Context, run block.CID, spec *ledger.RunSpec) bool {
	for held := false; ; held = true {
		if held && !a.answers.waits(run) {
			a.note(run, func(k *Appraisal) { k.Held = "" })
			return false // the operator has answered, and the policy grants nothing
		}
		why := a.heldBack(run, spec)
		a.note(run, func(k *Appraisal) { k.Held = why })
		switch {
		case why == "":
			a.answers.given(run)
			a.answers.byPolicy(run, true)
			return true
		case !held:
			a.answers.ask(run)
			a.log.Info("a run waits for your consent", "run", run.Short(), "name", spec.Name, "reason", why)
		}
		if !a.wait(ctx, run, lookAgain) {
			return false
		}
	}
}

// heldBack says why the site does not consent to a run by itself.
func (a *appraisals) heldBack(run block.CID, spec *ledger.RunSpec) string {
	seen := a.host.Seen()
	if bytes := a.of(run).Bytes; bytes > 0 {
		need := roomFor(bytes, seen.Sites())
		if room, err := a.artifacts.store.Room(); err == nil && need > room {
			return fmt.Sprintf("it takes %s, the disk has room for %s", yamlfile.Size(need), yamlfile.Size(room))
		}
	}
	if a.site.Now().Accept.Policy != config.AcceptAuto || !seen.Asks(run) {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowance.Over(seen.Over())
	return a.allowance.Take(time.Since(a.start), run, spec.By, seen.Ahead(run, spec.By), seen.Live)
}
