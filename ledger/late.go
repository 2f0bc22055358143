package ledger

// LatePolicy says what becomes of an update that misses its round's seal.
type LatePolicy string

const (
	// Drop forgets it.
	Drop LatePolicy = "drop"
	// Average counts it in a later round as the values that it has, with less weight: every element of a mean then lies between
	// those that sites sent. It is valid from [AverageProtocol] on.
	Average LatePolicy = "average"
	// Carry counts in a later round what it changed of its own base, with less weight. What is no displacement, such as a variance
	// that all sites measure, is then counted twice: it was the default before Average.
	Carry LatePolicy = "carry"
)

// AverageProtocol is the protocol number that brings [Average].
const AverageProtocol = 4

// defaultLate fills what the opener left open of late updates.
func (s *RunSpec) defaultLate(protocol uint64) {
	counts := s.LateDen > 0 || s.LateMax > 0 // the opener has said how
	switch {
	case s.Late != "":
	case protocol >= AverageProtocol:
		s.Late = Average
	case s.Plain() || counts:
		s.Late = Carry
	default: // a change of another base is no change of the round's
		s.Late = Drop
	}
	if s.Late == Drop {
		return
	}
	if s.LateDen == 0 {
		s.LateNum, s.LateDen = 1, 2
	}
	if s.LateMax == 0 {
		s.LateMax = 2
	}
}

// checkLate says what is wrong with the policy under a protocol, if anything.
func (s *RunSpec) checkLate(protocol uint64, bad func(field, format string, args ...any) error) error {
	switch {
	case s.Late == Drop:
		return nil
	case s.Late == Average && protocol < AverageProtocol:
		return bad("late", "policy %q needs protocol %d, the mesh goes by %d", s.Late, AverageProtocol, protocol)
	case s.Late != Carry && s.Late != Average:
		return bad("late", "policy %q, want %q, %q or %q", s.Late, Average, Carry, Drop)
	case s.LateNum == 0 || s.LateNum > s.LateDen || s.LateDen > 1000 || s.LateMax == 0 || s.LateMax > MaxStale:
		return bad("late", "weight %d/%d for up to %d rounds: want 0 < num <= den <= 1000 and 1 to %d rounds", s.LateNum, s.LateDen, s.LateMax, MaxStale)
	}
	return nil
}

// LateRounds returns how many rounds late an update may count: none if the policy is to drop it.
func (s *RunSpec) LateRounds() uint64 {
	if s.Late != Carry && s.Late != Average {
		return 0
	}
	return s.LateMax
}
