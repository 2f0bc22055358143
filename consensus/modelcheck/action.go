package modelcheck

// Kind is what a correct site does in an action.
type Kind uint8

// What a correct site can do.
const (
	Propose   Kind = iota
	Prevote        // for an entry: its proposal is acceptable, and the site is ready
	Abstain        // a prevote for nil: the propose timeout, or the lock forbids what is proposed
	Precommit      // for an entry that a quorum has prevoted
	Pass           // a precommit for nil: the prevote timeout, or a quorum has prevoted nil
	Learn          // of a polka without precommitting: being unready, or it came late
	Leave          // a view, with a nil vote in each step where it has cast none (VotesBehind)
	Restart        // a crash, and back from the log
	Tear           // a crash when the lock is in the log and the precommit is not, and back from the log
	kinds
)

func (k Kind) String() string {
	return [kinds]string{"propose", "prevote", "prevote nil", "precommit", "precommit nil", "learn", "leave", "restart", "tear"}[k]
}

// Action is one step of one correct site.
type Action struct {
	Kind      Kind
	Site      int  // its roster position
	View      int  // in which it acts, and now is
	Entry     Vote // None where there is none
	ValidView int  // of the proposal that it makes or prevotes for; else -1
}
