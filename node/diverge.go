package node

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/tensor"
)

// explain finds out where another model of a seal differs from the one computed here, and tells the operator.
// The line of the trace says whose it is: another site's, or, if the site is this one, the mesh's.
func (n *Node) explain(tr round.Trace) {
	data, err := n.store.Get(tr.Entry)
	var own blockstore.Manifest
	if err == nil {
		own, err = blockstore.DecodeManifest(data)
	}
	if err != nil {
		n.log.Warn("the model computed here is gone, so how another differs cannot be said", "model", tr.Entry, "error", err)
		return
	}
	n.shelf.keep(block.Block{CID: tr.Entry, Data: data})
	job := round.Fetch{Run: tr.Run, Manifest: tr.Model, Layout: own.Layout}
	what, owner := "the mesh committed another model than this site computed", peer.ID("")
	if tr.Site != n.home.ID {
		owner = tr.Site
		what = fmt.Sprintf("site %s computed another model than this site", n.siteName(owner))
	}
	job.Owner = owner
	n.jobs.compare(job, own, func(where string) {
		text := fmt.Sprintf("%s in round %d: %s; memory, processor or disk of one of them may be broken, or one lies", what, tr.Round, where)
		n.log.Error("models differ", "run", tr.Run.Short(), "own", tr.Entry, "other", tr.Model, "what", text)
		n.tell(text)
	})
}

// tell notes what the operator should know for good.
func (n *Node) tell(trouble string) {
	select {
	case n.asks <- func() { n.tracker.trouble = trouble }:
	case <-n.done:
	}
}

// compare fetches the manifest of another model and says in which shards it differs from one's own.
func (j *jobs) compare(job round.Fetch, own blockstore.Manifest, say func(where string)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spawn(func() {
		ctx, cancel := context.WithTimeout(j.ctx, divergeWait)
		defer cancel()
		_, theirs, err := j.fetchManifest(ctx, job)
		if err != nil {
			if j.ctx.Err() == nil {
				say(fmt.Sprintf("its manifest did not come (%v)", err))
			}
			return
		}
		say(blockstore.Difference(own, theirs, j.layout(ctx, job)))
	})
}

// layout returns the job's layout, or one without tensors if it cannot be had.
func (j *jobs) layout(ctx context.Context, job round.Fetch) (l tensor.Layout) {
	b, err := j.fetchBlock(ctx, job.Layout, "")
	if err == nil {
		l, err = tensor.DecodeLayout(b.Data)
	}
	if err != nil {
		return tensor.Layout{}
	}
	return l
}
