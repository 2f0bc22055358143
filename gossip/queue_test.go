package gossip

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestLaneIsBoundedAndOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife()
		var mu sync.Mutex
		var got []byte
		gate := make(chan struct{})
		lane := newLane(l, func(p parcel) {
			<-gate
			mu.Lock()
			defer mu.Unlock()
			got = append(got, p[0])
		})
		push := func(size int, b byte) error { return lane.push(append(parcel{b}, make([]byte, size-1)...)) }
		if err := push(2*maxQueuedBytes, 0); err != nil {
			t.Fatalf("an item larger than all the room, but the only one: %v", err)
		}
		synctest.Wait() // it is being worked on
		for i := range byte(8) {
			if err := push(maxQueuedBytes/8, i+1); err != nil {
				t.Fatal(err)
			}
		}
		if err := push(1, 9); !errors.Is(err, ErrFull) {
			t.Fatalf("more bytes than allowed: %v", err)
		}
		close(gate)
		synctest.Wait()
		if want := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(got, want) {
			t.Fatalf("worked off %v, want %v", got, want)
		}
		gate = make(chan struct{})
		for range maxQueued + 1 { // one of them is being worked on
			if err := push(1, 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := push(1, 0); !errors.Is(err, ErrFull) {
			t.Fatalf("more items than allowed: %v", err)
		}
		if n := lane.clear(); n != maxQueued {
			t.Fatalf("cleared %d", n)
		}
		l.end()
		close(gate)
		l.wait()
		if err := push(1, 0); !errors.Is(err, ErrClosed) {
			t.Fatalf("after the end: %v", err)
		}
	})
}

func TestWatchHoldsTheNewestOfEachPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife()
		w := watchers{life: l}
		ctx, cancel := context.WithCancel(t.Context())
		events := w.watch(ctx, []peer.ID{"a"})
		synctest.Wait() // the first is on its way to the reader
		for range 1000 {
			w.notify("b", true)
			w.notify("a", false)
			w.notify("b", false)
			w.notify("a", true)
		}
		for _, want := range []Event{{"a", true}, {"b", false}, {"a", true}} {
			if got := <-events; got != want {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
		cancel()
		if e, open := <-events; open {
			t.Fatalf("got %v after the end", e)
		}
		synctest.Wait()
		if len(w.all) != 0 {
			t.Fatal("the watcher is still there")
		}
		l.end()
		if _, open := <-w.watch(t.Context(), nil); open {
			t.Fatal("a watch of a closed transport is open")
		}
	})
}

// A neighbour that floods gossip is cut short, and nobody else is.
func TestInflow(t *testing.T) {
	var f inflow
	now := time.Unix(1e9, 0)
	passed := 0
	for k := range 200000 {
		if f.allow("flood", 1, 200, 4, now.Add(time.Duration(k)*10*time.Microsecond)) {
			passed++
		}
	}
	const rate = inflowLeast + 4*inflowSite
	if most := (inflowBurst + 2) * rate; passed > most+1 || passed < most-10 {
		t.Errorf("%d of 200,000 messages in two seconds, want %d", passed, most)
	}
	passed = 0
	for k := range 200 {
		if f.allow("large", 1, 1<<20, 4, now.Add(time.Duration(k)*10*time.Millisecond)) {
			passed++
		}
	}
	if most := (inflowBurst + 2) * rate * inflowBytes >> 20; passed > most+1 || passed < most-1 {
		t.Errorf("%d of 200 MiB in two seconds, want %d", passed, most)
	}
	if !f.allow("another", 1, 200, 4, now) {
		t.Error("another neighbour is held up")
	}
}
