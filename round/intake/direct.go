package intake

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Heads and certified entries are meant for one site and never passed on: who brings them says them, and is blamed for them, and
// also for bringing more than any site ever does.

// head judges where a neighbour says it stands. A head that shows progress is free: a site that catches up shows one for each batch.
func (i *Intake) head(now time.Time, from peer.ID, h *round.Head, at Standing) (Verdict, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h.Height > i.heads[from] && h.Height <= at.Height() {
		i.heads[from] = h.Height
		return Keep, nil
	}
	return i.spoken(now, from, head, "heads")
}

// spoken charges a neighbour for what it says of its own.
func (i *Intake) spoken(now time.Time, from peer.ID, of sort, what string) (Verdict, error) {
	switch {
	case i.rations.take(now, from, of, 0):
		return Keep, nil
	case i.rations.take(now, from, of+flood, 0):
		return Drop, nil
	}
	return Strike, fmt.Errorf("a flood of %s", what)
}

// certified judges entries that are said to be decided. What follows this site's ledger is wanted, and its signatures are checked
// here, so that the machine finds them checked; what does not is rationed before that.
func (i *Intake) certified(now time.Time, from peer.ID, list []ledger.Certified, bytes int, at Standing) (Verdict, error) {
	entries := make([]*ledger.Entry, len(list))
	for k := range list {
		e, err := ledger.DecodeEntry(list[k].Entry)
		switch {
		case err != nil:
			return Strike, err
		case e.Mesh != i.mesh || e.Height == 0 || k > 0 && e.Height != entries[k-1].Height+1:
			return Strike, fmt.Errorf("certified: %w: entries of another mesh, or that do not follow each other", ledger.ErrMalformed)
		}
		entries[k] = e
	}
	next := at.Height() + 1
	ahead := entries[0].Height > next
	if ahead || entries[len(entries)-1].Height < next {
		i.mu.Lock()
		verdict, err := i.spoken(now, from, decided, "decided entries")
		i.mu.Unlock()
		if verdict != Keep || ahead {
			return verdict, err // the machine makes nothing of what is ahead
		}
	}
	for k, e := range entries {
		if err := list[k].Certificate.Sound(i.mesh, e, at.Member, i.verify); err != nil {
			return Strike, err
		}
		if e.Height == next && e.Height == entries[0].Height {
			if err := list[k].Certificate.Verify(i.mesh, at.Roster(), e, i.verify); err != nil {
				return Strike, err
			}
		}
	}
	return Keep, nil
}
