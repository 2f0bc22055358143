package gossip

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

func someSites(n int) []peer.ID {
	var s []peer.ID
	for i := range n {
		s = append(s, peer.ID(fmt.Sprintf("site %03d", i)))
	}
	return s
}

func TestSeekerBacksOff(t *testing.T) {
	s := newSeeker("me", 8, rand.New(rand.NewPCG(1, 2)))
	s.setSites([]peer.ID{"me", "zoe"})
	now := time.Unix(0, 0)
	if dial, _ := s.due(now); dial != nil {
		t.Fatalf("dials %v, which has no address", dial)
	}
	s.learnt("zoe", true, now)
	fail := func(want time.Duration) {
		t.Helper()
		dial, _ := s.due(now)
		if !slices.Equal(dial, []peer.ID{"zoe"}) {
			t.Fatalf("dials %v", dial)
		}
		s.ended("zoe", now)
		dial, wake := s.due(now)
		if dial != nil || wake.Sub(now) < want*3/4 || wake.Sub(now) > want*5/4 {
			t.Fatalf("dials %v, waits %v, want about %v", dial, wake.Sub(now), want)
		}
		now = wake
	}
	for _, ms := range []int{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		fail(time.Duration(ms) * time.Millisecond)
	}
	// A connection that closes before gossip flows is a failure like any other.
	s.set("zoe", linked, now)
	s.set("zoe", apart, now)
	if dial, wake := s.due(now); dial != nil || wake.Sub(now) < dialMax*3/4 {
		t.Fatalf("dials %v at once, wakes after %v", dial, wake.Sub(now))
	}
	// One that was of use is sought again at once.
	s.set("zoe", ready, now)
	s.set("zoe", apart, now)
	_, now = s.due(now)
	fail(2 * dialMin)
	// So is one that has a new address, unless it has the smaller ID and is probably dialing already.
	s.learnt("zoe", true, now)
	fail(dialMin)
	s.setSites([]peer.ID{"ada"})
	s.learnt("ada", true, now)
	if dial, wake := s.due(now); dial != nil || wake.Sub(now) != dialHead {
		t.Fatalf("dials %v, waits %v", dial, wake.Sub(now))
	}
}

// Whatever happens, nobody is dialed who is connected, being dialed, unknown or no site, there are never
// more connections sought than the degree, and whoever is left waiting has a time or an event to wait for.
func TestSeekerKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const degree = 5
		s := newSeeker("site 007", degree, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		all := someSites(30)
		states, known := map[peer.ID]linkState{}, map[peer.ID]bool{}
		var sites []peer.ID
		now := time.Unix(0, 0)
		site := rapid.SampledFrom(all)
		t.Repeat(map[string]func(*rapid.T){
			"sites": func(t *rapid.T) {
				sites = rapid.SliceOfDistinct(site, rapid.ID).Draw(t, "sites")
				s.setSites(sites)
				for _, p := range all {
					if !slices.Contains(sites, p) { // forgotten
						delete(states, p)
						delete(known, p)
					}
				}
			},
			"learn": func(t *rapid.T) {
				if p := site.Draw(t, "site"); slices.Contains(sites, p) && p != "site 007" {
					s.learnt(p, rapid.Bool().Draw(t, "gossip"), now)
					known[p] = true
				}
			},
			"link": func(t *rapid.T) {
				p := site.Draw(t, "site")
				to := rapid.SampledFrom([]linkState{apart, linked, ready}).Draw(t, "state")
				s.set(p, to, now)
				if slices.Contains(sites, p) && p != "site 007" {
					states[p] = to
				}
			},
			"end": func(t *rapid.T) {
				p := site.Draw(t, "site")
				s.ended(p, now)
				if states[p] == dialing {
					states[p] = apart
				}
			},
			"dial": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 10000).Draw(t, "ms")) * time.Millisecond)
				dial, wake := s.due(now)
				busy := 0
				for _, st := range states {
					if st != apart {
						busy++
					}
				}
				if len(dial) > max(0, degree-busy) {
					t.Fatalf("dials %d with %d busy", len(dial), busy)
				}
				for _, p := range dial {
					if states[p] != apart || !known[p] || !slices.Contains(sites, p) {
						t.Fatalf("dials %s: state %v, known %v", p, states[p], known[p])
					}
					states[p] = dialing
				}
				for _, p := range sites {
					if known[p] && states[p] == apart && busy+len(dial) < degree && !wake.After(now) {
						t.Fatalf("%s waits for nothing", p)
					}
				}
			},
		})
	})
}

// Sites that each seek a few others at random form one graph.
func TestSeekersFormOneGraph(t *testing.T) {
	const sites, degree = 200, 8
	all := someSites(sites)
	next := map[peer.ID][]peer.ID{}
	for i, p := range all {
		s := newSeeker(p, degree, rand.New(rand.NewPCG(uint64(i), 1)))
		s.setSites(all)
		for _, q := range all {
			s.learnt(q, false, time.Unix(0, 0))
		}
		dial, _ := s.due(time.Unix(1, 0))
		if len(dial) != degree {
			t.Fatalf("dials %d", len(dial))
		}
		for _, q := range dial {
			next[p] = append(next[p], q)
			next[q] = append(next[q], p)
		}
	}
	reached := map[peer.ID]bool{all[0]: true}
	for queue := all[:1]; len(queue) > 0; queue = queue[1:] {
		for _, q := range next[queue[0]] {
			if !reached[q] {
				reached[q] = true
				queue = append(queue, q)
			}
		}
	}
	if len(reached) != sites {
		t.Fatalf("%d of %d sites are in one graph", len(reached), sites)
	}
}
