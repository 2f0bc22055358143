package consensus_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
)

// In this test a mesh agrees on plain strings, one after another. It shows all that an owner of an
// [consensus.Agreement] has to do.

const (
	tick    = 10 * time.Millisecond
	heights = 8
)

var mesh = word("the mesh").CID()

// word is an entry. An agreement asks for its bytes and their name, and nothing else.
type word string

func (w word) CID() block.CID { return block.Sum(block.DagCBOR, []byte(w)) }
func (w word) Data() []byte   { return []byte(w) }

// What the words mean: [consensus.App]. A site would have a word decided that names the height and itself,
// and is content with any other site's.

func (s *site) Decode(data []byte) (consensus.Entry, error) {
	if w := word(data); strings.HasPrefix(string(w), fmt.Sprintf("%d by ", s.number())) {
		return w, nil
	}
	return nil, fmt.Errorf("%q: %w", data, ledger.ErrMalformed)
}

func (s *site) Wanted() []consensus.Entry {
	return []consensus.Entry{word(fmt.Sprintf("%d by %s", s.number(), string(s.id)))}
}

func (s *site) Stance(consensus.Entry) consensus.Stance { return consensus.Agrees }
func (s *site) Compare(a, b consensus.Entry) int        { return bytes.Compare(a.Data(), b.Data()) }
func (s *site) Outdoes(a, b consensus.Entry) bool       { return false }
func (s *site) Learned(consensus.Entry)                 {}
func (s *site) Said(peer.ID, consensus.Entry)           {}

// TestWords: four sites, and seven, decide the same words at all heights. One proposer is silent, and one
// site crashes between its lock and the precommit, and goes on from what it has saved.
func TestWords(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { agreeOnWords(t, n) })
	}
}

func agreeOnWords(t *testing.T, n int) {
	net := &network{rng: rand.New(rand.NewPCG(uint64(n), 1))}
	var members []ledger.Site
	for i := range n {
		members = append(members, ledger.Site{ID: peer.ID('a' + rune(i)), Name: string('a' + rune(i))})
	}
	roster := ledger.NewRoster(members, ledger.Byzantine)
	sites, byID := []*site{}, map[peer.ID]*site{}
	for _, m := range members {
		s := &site{t: t, net: net, id: m.ID, roster: roster}
		sites, byID[m.ID] = append(sites, s), s
	}
	silent, doomed := sites[0], sites[1]
	silent.silent, doomed.doomed = true, true

	for slices.ContainsFunc(sites, func(s *site) bool { return len(s.decided) < heights }) {
		if net.now += tick; net.now > time.Hour {
			t.Fatal("they cannot agree")
		}
		for _, p := range net.arrived() {
			byID[p.to].receive(p.message)
		}
		for _, s := range sites {
			s.work()
		}
	}

	passed := 0 // heights at which the silent site's views had to pass
	for h, d := range silent.decided[:heights] {
		for _, s := range sites {
			if s.decided[h].word != d.word {
				t.Errorf("height %d: %s decided %q, %s %q", h+1, string(silent.id), d.word, string(s.id), s.decided[h].word)
			}
		}
		if d.cert.View > 0 {
			passed++
		}
	}
	if net.lost == 0 || passed == 0 || doomed.doomed {
		t.Errorf("%d messages were lost, %d heights took more than one view, crashed: %v", net.lost, passed, !doomed.doomed)
	}
	t.Logf("%d heights in %v: %d messages lost, %d heights took more than one view", heights, net.now, net.lost, passed)
}
