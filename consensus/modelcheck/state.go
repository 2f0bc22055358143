package modelcheck

import "math/bits"

// MaxViews is how many views a State has room for.
const MaxViews = 3

// Vote is what a site says in one step of a view; other than None and Nil, it is an entry.
type Vote uint8

// None is no vote yet, Nil a vote for nothing, and A and B are the entries.
const (
	None Vote = iota
	Nil
	A
	B
)

var entries = [...]Vote{A, B}

func (v Vote) String() string { return [...]string{"none", "nil", "A", "B"}[v] }

// polka names a quorum's prevotes by their view and entry; 0 is none.
type polka uint8

func polkaFor(entry Vote, view int) polka { return polka(view+1)<<1 | polka(entry&1) }

// view returns the view, -1 for none.
func (p polka) view() int { return int(p>>1) - 1 }

func (p polka) entry() Vote {
	if p == 0 {
		return None
	}
	return A | Vote(p&1)
}

// proposal is what a view's proposer offers; 0 is none.
type proposal uint8

func proposalOf(entry Vote, validView int) proposal {
	return proposal(entry) | proposal(validView+1)<<2
}

func (p proposal) entry() Vote    { return Vote(p & 3) }
func (p proposal) validView() int { return int(p>>2) - 1 }

// State is all that the correct sites have sent and all that they must remember, in 63 bits:
//
//	3 times 18  a correct site's prevotes and precommits, 2 bits a view; its lock and its newest
//	            polka, 3 bits each
//	2, 3, 4     the proposals of views 0, 1 and 2, if a correct site's
//
// What the liar has sent is no part of it: it may have sent anything.
type State uint64

const (
	siteBits       = 4*MaxViews + 6
	siteMask       = 1<<siteBits - 1
	precommitShift = 2 * MaxViews
	lockShift      = 4 * MaxViews
	validShift     = lockShift + 3
)

var (
	proposalShift = [MaxViews]int{54, 56, 59}
	proposalMask  = [MaxViews]State{3, 7, 15}
)

// Fields of the state; sites are counted among the correct ones.
func (s State) field(site, shift int) State  { return s >> (site*siteBits + shift) }
func (s State) prevoted(site, view int) Vote { return Vote(s.field(site, 2*view) & 3) }
func (s State) precommitted(site, view int) Vote {
	return Vote(s.field(site, precommitShift+2*view) & 3)
}
func (s State) lock(site int) polka  { return polka(s.field(site, lockShift) & 7) }
func (s State) valid(site int) polka { return polka(s.field(site, validShift) & 7) }
func (s State) proposed(view int) proposal {
	return proposal(s >> proposalShift[view] & proposalMask[view])
}

func (s State) with(site, shift int, mask, value State) State {
	shift += site * siteBits
	return s&^(mask<<shift) | value<<shift
}

func (s State) withPrevote(site, view int, v Vote) State { return s.with(site, 2*view, 3, State(v)) }

func (s State) withPrecommit(site, view int, v Vote) State {
	return s.with(site, precommitShift+2*view, 3, State(v))
}

func (s State) withLock(site int, p polka) State  { return s.with(site, lockShift, 7, State(p)) }
func (s State) withValid(site int, p polka) State { return s.with(site, validShift, 7, State(p)) }

func (s State) withProposal(view int, p proposal) State {
	return s | State(p)<<proposalShift[view]
}

// newestVote returns the newest view in which a site has voted, 0 if in none.
func (s State) newestVote(site int) int {
	votes := s.field(site, 0)
	votes = (votes | votes>>precommitShift) & (1<<precommitShift - 1)
	return (bits.Len64(uint64(votes)) - 1) / 2
}

// Masks of the low bits of all fields that name an entry or none.
const (
	votesLow     = 0b0101_0101_0101
	marksLow     = 1<<lockShift | 1<<validShift
	allVotesLow  = votesLow * (1 | 1<<siteBits | 1<<(2*siteBits))
	allMarksLow  = marksLow * (1 | 1<<siteBits | 1<<(2*siteBits))
	proposalsLow = 1<<54 | 1<<56 | 1<<59
)

// renamed returns the state with A and B exchanged.
func (s State) renamed() State {
	return s ^ s>>1&(allVotesLow|proposalsLow) ^ (s>>1|s>>2)&allMarksLow
}

// part returns all fields of a site.
func (s State) part(site int) State { return s.field(site, 0) & siteMask }

// exchanged returns the state with the parts of two sites exchanged.
func (s State) exchanged(i, j int) State {
	x := s.part(i) ^ s.part(j)
	return s ^ x<<(i*siteBits) ^ x<<(j*siteBits)
}

// keeps reports whether every vote cast in s is the same in a later state.
func (s State) keeps(later State) bool {
	cast := (s | s>>1) & allVotesLow
	return (s^later)&(cast|cast<<1) == 0
}
