package node

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/trace"
)

// explain finds out where another model of a seal differs from the one computed here, and tells the operator.
// The line of the trace says whose it is: another site's, or, if the site is this one, the mesh's.
func (n *Node) explain(tr trace.Step) {
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
	job := runs.Fetch{Run: tr.Run, Manifest: tr.Model, Layout: own.Layout}
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
func (j *jobs) compare(job runs.Fetch, own blockstore.Manifest, say func(where string)) {
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
		say(difference(own, theirs, j.layout(ctx, job)))
	})
}

// layout returns the job's layout, or one without tensors if it cannot be had.
func (j *jobs) layout(ctx context.Context, job runs.Fetch) (l tensor.Layout) {
	b, err := j.fetchBlock(ctx, job.Layout, "")
	if err == nil {
		l, err = tensor.DecodeLayout(b.Data)
	}
	if err != nil {
		return tensor.Layout{}
	}
	return l
}

// difference says in how many shards two models of one layout differ, and what the first is.
func difference(own, theirs blockstore.Manifest, l tensor.Layout) string {
	if len(own.Shards) != len(theirs.Shards) || own.ShardElements != theirs.ShardElements {
		return fmt.Sprintf("it is cut into %d shards of %d elements, this one into %d of %d", len(theirs.Shards), theirs.ShardElements, len(own.Shards), own.ShardElements)
	}
	first, differ := -1, 0
	for i, c := range own.Shards {
		if c == theirs.Shards[i] {
			continue
		}
		if differ++; first < 0 {
			first = i
		}
	}
	if first < 0 {
		return "all shards are the same" // the manifests differ in how they are written
	}
	text := fmt.Sprintf("%d of %d shards differ, the first is shard %d", differ, len(own.Shards), first)
	if s, err := l.Shard(first, own.ShardElements); err == nil {
		text += " (" + tensorsOf(l, s) + ")"
	}
	return text
}

// tensorsOf names the tensors that a shard has elements of.
func tensorsOf(l tensor.Layout, s tensor.Shard) string {
	var names []string
	end := uint64(0)
	for _, t := range l.Tensors {
		begin := end
		end += t.Elements()
		if begin < s.First+s.Elements && end > s.First && end > begin {
			names = append(names, t.Name)
		}
	}
	if n := len(names); n > 3 {
		names = slices.Concat(names[:1], []string{fmt.Sprintf("%d more", n-2)}, names[n-1:])
	}
	return "of " + strings.Join(names, ", ")
}
