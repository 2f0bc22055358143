package node

import (
	"fmt"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// explainer tells the operator how models differ that should be equal.
type explainer struct {
	self    peer.ID
	store   *blockstore.Disk
	shelf   *shelf
	jobs    *jobs.Jobs
	views   *views
	box     *mailbox
	tracker *tracker
	log     *slog.Logger
}

// explain finds out where another model of a seal differs from the one computed here, and tells the operator.
// The event says whose it is: another site's, or, if the site is this one, the mesh's.
func (x *explainer) explain(d trace.Diverged) {
	if d.State {
		x.tell(d, "the models are equal, but what the outer step keeps for the next round is not")
		return
	}
	data, err := x.store.Get(d.Own)
	var own blockstore.Manifest
	if err == nil {
		own, err = blockstore.DecodeManifest(data)
	}
	if err != nil {
		x.log.Warn("the model computed here is gone, so how another differs cannot be said", "model", d.Own, "error", err)
		return
	}
	x.shelf.keep(block.Block{CID: d.Own, Data: data})
	job := runs.Fetch{Run: d.Run, Manifest: d.Model, Layout: own.Layout}
	if d.Site != x.self {
		job.Owner = d.Site
	}
	x.jobs.Compare(job, own, func(where string) { x.tell(d, where) })
}

func (x *explainer) tell(d trace.Diverged, where string) {
	result := "model"
	if d.State {
		result = "result"
	}
	what := fmt.Sprintf("the mesh committed another %s than this site computed", result)
	if d.Site != x.self {
		what = fmt.Sprintf("site %s computed another %s than this site", x.views.now().name(d.Site), result)
	}
	text := fmt.Sprintf("%s in round %d: %s; memory, processor or disk of one of them may be broken, or one lies", what, d.Round, where)
	x.log.Error("models differ", "run", d.Run.Short(), "own", d.Own, "other", d.Model, "what", text)
	x.box.tell(func(*round.Machine) { x.tracker.troubled(text) })
}
