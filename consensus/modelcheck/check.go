package modelcheck

import (
	"fmt"
	"strings"
)

// Property is a set of things that must hold.
type Property uint8

// What must hold in every state.
const (
	// Agreement: no two entries have certificates, of whatever views.
	Agreement Property = 1 << iota
	// Validity: what has a certificate was proposed, and f+1 correct sites can be ready for it.
	Validity
	// OneVote: no correct site signs two votes for one place.
	OneVote
	// Locks: a lock and a newest polka have their quorum; a view has one polka at most; and once an
	// entry has a certificate no other has a polka in a later view.
	Locks
	// Progress: if from here on the liar is silent, all that a correct site has sent or received
	// arrives at the others, and everyone becomes ready for all it can be, then there is a schedule
	// in which every correct site decides, whatever those propose who may choose.
	Progress
	// Recovery: the same, if first every correct site crashes at once and comes back from its log.
	Recovery
)

// Safety is all that must hold whatever the timing.
const Safety = Agreement | Validity | OneVote | Locks

func (p Property) String() string {
	var names []string
	for i, name := range []string{"agreement", "validity", "one vote", "the lock rule", "progress", "recovery"} {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// broken returns which of the properties does not hold in the state, and how; 0 if all hold.
func broken(r *reading, check Property) (Property, string) {
	for _, p := range [...]struct {
		property Property
		holds    func(*reading) string
	}{
		{Agreement, disagree},
		{Validity, invalid},
		{Locks, unlocked},
		{Progress, stuck},
		{Recovery, lost},
	} {
		if check&p.property == 0 {
			continue
		}
		if text := p.holds(r); text != "" {
			return p.property, text
		}
	}
	return 0, ""
}

// certified returns the first view in which an entry can have a certificate, or -1.
func (r *reading) certified(entry Vote) int {
	for view := range r.model.cfg.Views {
		if int(r.precommits[view][entry]) >= r.model.enough() {
			return view
		}
	}
	return -1
}

func disagree(r *reading) string {
	a, b := r.certified(A), r.certified(B)
	if a < 0 || b < 0 {
		return ""
	}
	return fmt.Sprintf("A has a certificate of view %d (precommits of %s), and B of view %d (%s)",
		a, r.voters(State.precommitted, a, A), b, r.voters(State.precommitted, b, B))
}

func invalid(r *reading) string {
	for _, entry := range entries {
		view := r.certified(entry)
		switch {
		case view < 0:
		case r.model.ableSites(entry) <= faulty:
			return fmt.Sprintf("%s has a certificate of view %d (precommits of %s), and %d correct sites can be ready for it",
				entry, view, r.voters(State.precommitted, view, entry), r.model.ableSites(entry))
		case !offered(r, entry, view):
			return fmt.Sprintf("%s has a certificate of view %d, and nobody proposed it", entry, view)
		}
	}
	return ""
}

// offered tells whether an entry has been proposed in some view up to this.
func offered(r *reading, entry Vote, view int) bool {
	for v := range view + 1 {
		if v == r.model.cfg.Liar || r.proposed(v).entry() == entry {
			return true
		}
	}
	return false
}

func unlocked(r *reading) string {
	for site := range correct {
		lock, valid := r.lock(site), r.valid(site)
		for _, p := range []polka{lock, valid} {
			if p != 0 && !r.polka(p.entry(), p.view()) {
				return fmt.Sprintf("%s relies on a polka for %s in view %d, where there is none", r.model.name(site), p.entry(), p.view())
			}
		}
		if lock.view() > valid.view() {
			return fmt.Sprintf("%s is locked in view %d, its newest polka is of view %d", r.model.name(site), lock.view(), valid.view())
		}
	}
	for view := range r.model.cfg.Views {
		if r.polka(A, view) && r.polka(B, view) {
			return fmt.Sprintf("A and B both have a polka in view %d", view)
		}
	}
	for i, entry := range entries {
		other := entries[1-i]
		first := r.certified(entry)
		for view := first + 1; first >= 0 && view < r.model.cfg.Views; view++ {
			if r.polka(other, view) {
				return fmt.Sprintf("%s has a certificate of view %d, and then %s a polka in view %d (prevotes of %s)",
					entry, first, other, view, r.voters(State.prevoted, view, other))
			}
		}
	}
	return ""
}

// twice says which vote of s is another in a later state.
func twice(r *reading, later State) string {
	for site := range correct {
		for view := range r.model.cfg.Views {
			if was, is := r.prevoted(site, view), later.prevoted(site, view); was != None && was != is {
				return fmt.Sprintf("%s prevotes %s and %s in view %d", r.model.name(site), was, is, view)
			}
			if was, is := r.precommitted(site, view), later.precommitted(site, view); was != None && was != is {
				return fmt.Sprintf("%s precommits %s and %s in view %d", r.model.name(site), was, is, view)
			}
		}
	}
	return ""
}
