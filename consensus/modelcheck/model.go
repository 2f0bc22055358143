package modelcheck

import (
	"fmt"
	"iter"
)

const (
	sites   = 4
	faulty  = 1
	correct = sites - faulty
)

// Config says which agreement is modelled.
type Config struct {
	// Views are tried, counted from 0; at most MaxViews.
	Views int
	// Liar is the roster position of the site that is not correct. Position i proposes view i.
	Liar int
	// Crashes lets correct sites restart from their logs, at any moment and any number of times.
	Crashes bool
	// Untimed lets timeouts fire, and sites go to other views, without the votes that this takes.
	// Votes for nil then mean nothing and are left out, which makes the search much smaller. All
	// that can happen still can, and more; so this is for safety, and Progress is not held.
	Untimed bool
	// VotesBehind lets a site that leaves a view, and has not voted there, first vote for nil there.
	// The paper does not ask for it; see Recovery.
	VotesBehind bool
	// Unable names, by roster position, an entry that a site never becomes ready for by itself. A
	// polka vouches for it to that site too.
	Unable [sites]Vote
	// Flaw is a rule to break.
	Flaw Flaw
}

// Flaw is a broken rule.
type Flaw uint8

// The rules that can be broken.
const (
	NoFlaw          Flaw = iota
	SmallQuorum          // a quorum is 2f sites
	IgnoreLock           // a prevote does not look at the lock
	TrustPolka           // a proposal's valid view is believed without the prevotes
	PrecommitAtOnce      // a precommit does not wait for a quorum of prevotes
	ForgetLock           // a restart forgets the lock
	VoteTwice            // a vote does not look whether the site has voted in that place
	VoteUnready          // a vote does not look whether the site is ready
	FirstVoteCounts      // of two votes of the liar for one place a site only ever counts the one that came first
	flaws
)

func (f Flaw) String() string {
	return [flaws]string{
		"no flaw", "quorum of 2f", "lock ignored", "polka not proven", "precommit without polka",
		"lock forgotten", "two votes in a view", "unready vote", "first vote counts",
	}[f]
}

// Model is an agreement to explore.
type Model struct {
	cfg       Config
	positions [correct]int // of the correct sites in the roster
	twins     [][2]int     // correct sites that can be exchanged, in an order that sorts them
	renames   bool         // A and B can be exchanged
}

// New returns the model of an agreement.
func New(c Config) (*Model, error) {
	if c.Views < 1 || c.Views > MaxViews || c.Liar < 0 || c.Liar >= sites || c.Flaw >= flaws {
		return nil, fmt.Errorf("model: %d views of 1 to %d, liar at position %d of %d, flaw %d of %d", c.Views, MaxViews, c.Liar, sites, c.Flaw, flaws)
	}
	m := &Model{cfg: c, renames: c.Unable == [sites]Vote{}}
	next := 0
	for position := range sites {
		if position != c.Liar {
			m.positions[next] = position
			next++
		}
	}
	for i := range correct {
		for j := range i {
			a, b := m.positions[i], m.positions[j]
			if a >= c.Views && b >= c.Views && c.Unable[a] == c.Unable[b] {
				m.twins = append(m.twins, [2]int{j, i})
			}
		}
	}
	return m, nil
}

// Next returns every action that a correct site can take in a state, and what comes of it. The
// zero State is the first.
func (m *Model) Next(s State) iter.Seq2[Action, State] {
	return func(yield func(Action, State) bool) {
		r := m.read(s)
		more := true
		r.actions(func(a Action, next State) {
			more = more && yield(a, next)
		})
	}
}

// canonical returns one state for all that differ from s in names only.
func (m *Model) canonical(s State) State {
	if !m.renames {
		return m.arranged(s)
	}
	return min(m.arranged(s), m.arranged(s.renamed()))
}

// arranged puts the parts of sites that can be exchanged in order.
func (m *Model) arranged(s State) State {
	for _, t := range m.twins {
		if i, j := t[0], t[1]; s.part(i) > s.part(j) {
			s = s.exchanged(i, j)
		}
	}
	return s
}

// enough is how many correct sites' votes make a quorum with the liar's.
func (m *Model) enough() int { return m.quorum() - faulty }

func (m *Model) quorum() int {
	if m.cfg.Flaw == SmallQuorum {
		return 2 * faulty
	}
	return 2*faulty + 1
}

// able reports whether a site can ever be ready for an entry.
func (m *Model) able(site int, entry Vote) bool { return m.cfg.Unable[m.positions[site]] != entry }

func (m *Model) ableSites(entry Vote) (n int) {
	for site := range correct {
		if m.able(site, entry) {
			n++
		}
	}
	return n
}
