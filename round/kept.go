package round

// Kept is how much a machine keeps of what others have sent it. It is bounded by the limits of this package and the
// size of the roster, whatever anybody sends; the simulator holds that after every event.
type Kept struct {
	Candidates int // that somebody has spoken of at this height
	Entries    int // of them those whose bytes are known
	Proposals  int // of this height
	Votes      int // of this height
	Past       int // votes and proposals of decided heights
	Early      int // messages for heights to come
	Changes    int // of the roster, asked for
	Approvals  int // of them
	Withdrawn  int // approvals that were taken back, or given again
	Updates    int // of active runs, all sites'
	Sought     int // models that are being fetched for runs, or found useless
	Evidence   int
	Peers      int
	Standing   int // own messages that are sent again
}

// Kept counts what the machine keeps.
func (m *Machine) Kept() Kept {
	h := m.height
	k := Kept{
		Candidates: len(h.candidates), Proposals: len(h.proposals), Votes: h.voted(), Early: len(m.early), Changes: len(m.changes),
		Sought: len(m.sought), Evidence: len(m.named), Peers: len(m.peers), Standing: len(m.outbox),
	}
	for _, c := range h.candidates {
		if c.entry != nil {
			k.Entries++
		}
	}
	for _, past := range m.past {
		k.Past += past.voted() + len(past.proposals)
	}
	for _, c := range m.changes {
		k.Approvals += len(c.approvals)
		k.Withdrawn += len(c.withdrawals)
	}
	for _, p := range m.parts {
		for _, c := range p.order {
			if p.run.Active() {
				k.Updates += len(c.updates)
			}
		}
	}
	return k
}

func (h *height) voted() (n int) {
	for _, views := range []map[uint64]*tally{h.prevotes, h.precommits} {
		for _, t := range views {
			n += len(t.votes)
		}
	}
	return n
}
