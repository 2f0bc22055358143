package sim

import (
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Complainer trains honestly, and says of every run that all goes wrong at it, then that nothing does, in classes that there are
// and some that there are not, twice with one serial to two halves of the mesh. It attacks the claim that what a site says of its
// troubles is for people alone: its updates count as any other's, nobody waits longer or less long for it, and nobody is named.
type Complainer struct{ serial uint64 }

// Name returns the name of its kind.
func (a *Complainer) Name() string { return "complainer" }

// Hear complains now and then.
func (a *Complainer) Hear(l *Liar, ev round.Event) round.Event {
	if l.rng.IntN(8) > 0 {
		return ev
	}
	for _, r := range l.Ledger().Runs() {
		if r.Active() {
			a.complain(l, r)
		}
	}
	return ev
}

func (a *Complainer) complain(l *Liar, r *ledger.Run) {
	a.serial++
	say := func(list ...ledger.TroubleClass) *ledger.Signed {
		return l.Sign(ledger.KindTrouble, &ledger.Trouble{Run: r.ID, Serial: a.serial, Classes: append([]ledger.TroubleClass{}, list...)})
	}
	switch l.rng.IntN(3) {
	case 0:
		l.Did("claimed every trouble")
		l.Say(say(ledger.DiskFull, ledger.Excluded, ledger.CannotFetch, ledger.LinkDown, ledger.TrainingFails, "tsunami"))
	case 1:
		l.Did("took its troubles back")
		l.Say(say())
	default:
		l.Did("claimed two troubles in one place")
		half := l.Half()
		for _, to := range l.Others() {
			if half[to] {
				l.Whisper(to, say(ledger.DiskFull))
			} else {
				l.Whisper(to, say(ledger.TrainingFails))
			}
		}
	}
}
