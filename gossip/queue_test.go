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

func TestConduct(t *testing.T) {
	var c conduct
	now := time.Unix(1e9, 0)
	strike := func(weight int) time.Duration {
		_, until := c.strike("p", weight, now)
		if until.IsZero() {
			return 0
		}
		return until.Sub(now)
	}
	banned := func() bool {
		i := PeerInfo{ID: "p"}
		c.fill(&i, now)
		return !i.Banned.IsZero()
	}
	for range 1000 { // one in ten seconds is forgiven for ever
		if strike(1) != 0 {
			t.Fatal("banned for a strike in ten seconds")
		}
		now = now.Add(strikeFade)
	}
	for _, want := range []time.Duration{banMin, 2 * banMin, 4 * banMin} {
		for i := range maxStrikes + 1 {
			got := strike(1)
			if (got != 0) != (i == maxStrikes) || got != 0 && got != want {
				t.Fatalf("strike %d: banned for %v, want %v", i, got, want)
			}
		}
		if strike(100) != 0 || !banned() {
			t.Fatal("what is in flight during a ban counts twice")
		}
		now = now.Add(want)
		if banned() {
			t.Fatal("banned for too long")
		}
	}
	for range 20 {
		now = now.Add(banMax)
		if got := strike(maxStrikes + 1); got > banMax {
			t.Fatalf("banned for %v", got)
		}
	}
	now = now.Add(banMax + banForget + 1)
	if got := strike(maxStrikes + 1); got != banMin {
		t.Fatalf("after long good conduct banned for %v", got)
	}
	i := PeerInfo{ID: "p"}
	c.drop("p", 3)
	if c.fill(&i, now); i.Dropped != 3 || i.Rejected == 0 || i.Banned != now.Add(banMin) {
		t.Fatalf("%+v", i)
	}
}
