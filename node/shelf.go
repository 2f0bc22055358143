package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/ledger"
)

const maxDiffer = 4 // manifests kept of models that differ

// shelf puts the ledger's blocks into the store without the loop having to wait: they are safe in the log
// already, and until they are in the store they are read from here. It also keeps, in memory, the manifests of a few
// models that this site computed and others did not: the models are removed soon, but others ask how they differ.
type shelf struct {
	store blockstore.Store
	log   *slog.Logger
	bad   func(error) // told of what went bad in the store; must not block

	mu      sync.RWMutex
	waiting map[block.CID][]byte
	order   []block.CID
	differ  []block.Block
	more    chan struct{}
}

var _ exchange.Source = (*shelf)(nil)

func newShelf(store blockstore.Store, log *slog.Logger, bad func(error)) *shelf {
	return &shelf{store: store, log: log, bad: bad, waiting: map[block.CID][]byte{}, more: make(chan struct{}, 1)}
}

// fill puts what the store lacks of a ledger. What it does not take, as its disk is full, is read from here until there is room.
func (s *shelf) fill(g *ledger.Genesis, l *ledger.Ledger) {
	want := []block.Block{g.Block()}
	for h := uint64(1); h <= l.Height(); h++ {
		d := l.At(h)
		want = append(want, d.Entry.Block(), block.Of(d.Certificate))
	}
	for _, b := range want {
		if s.store.Has(b.CID) {
			continue
		}
		if err := s.store.Put(b); err != nil {
			s.log.Warn("a block of the ledger is not in the store, only in the log", "error", err)
			s.wait(b)
		}
	}
}

// put queues a decided entry and its certificate.
func (s *shelf) put(c *ledger.Certified) {
	s.wait(block.New(block.DagCBOR, c.Entry), block.Of(&c.Certificate))
	select {
	case s.more <- struct{}{}:
	default: // it will look anyway
	}
}

// wait has blocks at hand until they are in the store.
func (s *shelf) wait(list ...block.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range list {
		s.waiting[b.CID] = b.Data
		s.order = append(s.order, b.CID)
	}
}

// keep has the manifest of a model that differs at hand for a while.
func (s *shelf) keep(b block.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept(b.CID) != nil {
		return
	}
	s.differ = append(s.differ, b)
	s.differ = s.differ[max(0, len(s.differ)-maxDiffer):]
}

// kept returns what keep has kept, or nil; the mutex is held.
func (s *shelf) kept(c block.CID) []byte {
	for _, b := range s.differ {
		if b.CID == c {
			return b.Data
		}
	}
	return nil
}

// run puts what is queued until ctx ends. What a full disk refuses is put with the next entry.
func (s *shelf) run(ctx context.Context) error {
	for {
		select {
		case <-s.more:
		case <-ctx.Done():
			return nil
		}
		for {
			b, ok := s.next()
			if !ok {
				break
			}
			if err := s.store.Put(b); err != nil {
				s.log.Warn("an entry of the ledger is not in the store, only in the log", "error", err)
				break
			}
			s.mu.Lock()
			delete(s.waiting, b.CID)
			s.order = s.order[1:]
			s.mu.Unlock()
		}
	}
}

func (s *shelf) next() (block.Block, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.order) == 0 {
		return block.Block{}, false
	}
	return block.Block{CID: s.order[0], Data: s.waiting[s.order[0]]}, true
}

// Has reports whether the block is here or in the store.
func (s *shelf) Has(c block.CID) bool {
	s.mu.RLock()
	_, ok := s.waiting[c]
	ok = ok || s.kept(c) != nil
	s.mu.RUnlock()
	return ok || s.store.Has(c)
}

// Get returns a block, verified.
func (s *shelf) Get(c block.CID) ([]byte, error) { return s.Read(c, nil) }

// Read is Get into buf, if its capacity is enough. A receiver would verify the block too, and take what went bad on this disk for
// malice.
func (s *shelf) Read(c block.CID, buf []byte) ([]byte, error) {
	s.mu.RLock()
	data, ok := s.waiting[c]
	s.mu.RUnlock()
	if ok {
		return data, nil
	}
	data, err := s.store.Read(c, buf)
	switch {
	case errors.As(err, new(*blockstore.CorruptError)):
		s.bad(err)
	case errors.Is(err, blockstore.ErrNotFound):
		s.mu.RLock()
		defer s.mu.RUnlock()
		if data, ok := s.waiting[c]; ok {
			return data, nil
		}
		if data := s.kept(c); data != nil {
			return data, nil
		}
	}
	return data, err
}
