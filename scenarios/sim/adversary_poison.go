package sim

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// Poison is how an update is spoilt.
type Poison string

const (
	SignFlip Poison = "sign-flip" // its change to the base turned around
	Times100 Poison = "times-100" // its change to the base a hundred times as large
	MaxFloat Poison = "max-float" // its first element the largest float32: finite, and so is a mean of it
	NaN      Poison = "nan"       // not finite
)

// Poisonable is a workload whose updates can be spoilt. What it returns takes the honest update's place.
type Poisonable interface {
	Poison(how Poison, j runs.Train, t Trained) (Trained, error)
}

// Poison renames an update. One that is not finite is found out when it is fetched, or when it is
// reduced, as its name has it.
func (y *Synthetic) Poison(how Poison, _ runs.Train, t Trained) (Trained, error) {
	a := t.Update
	a.Manifest = block.Sum(block.DagCBOR, append([]byte(how), a.Manifest.Bytes()...))
	switch how {
	case MaxFloat:
		a.Invalid = "too long a change"
	case NaN:
		if a.Manifest.Digest()[0]%2 == 0 {
			a.Invalid = "not finite"
		} else {
			y.nan[a.Manifest] = true
		}
	}
	t.Update = y.add(a)
	return t, nil
}

// Poisoned trains honestly and spoils what comes out. Under a mean nothing stops a wrong but finite
// update: what it attacks is the model, which a rule must stand, and, where it is not finite, the claim
// that an update that cannot be aggregated is dropped and its site with it.
type Poisoned struct{ How Poison }

// Name returns the name of its kind.
func (a *Poisoned) Name() string { return string(a.How) }

// Poison spoils an update.
func (a *Poisoned) Poison(l *Liar, j runs.Train, t Trained) (Trained, error) {
	w, ok := l.Workload().(Poisonable)
	if !ok {
		return t, fmt.Errorf("%s: the workload %T has no updates that can be spoilt", a.How, l.Workload())
	}
	t, err := w.Poison(a.How, j, t)
	if err == nil {
		l.Did("spoilt an update: " + string(a.How))
	}
	return t, err
}

// Boaster trains honestly and states as many samples as a site may. It attacks the claim that no site has more than half of a
// round's weight.
type Boaster struct{}

// Name returns the name of its kind.
func (Boaster) Name() string { return "boaster" }

// Poison makes up the samples of an update.
func (Boaster) Poison(l *Liar, _ runs.Train, t Trained) (Trained, error) {
	t.Samples = ledger.MaxSamples
	l.Did("made up samples")
	return t, nil
}

// OneStep trains honestly and states a single step. It attacks the claim that no change counts more than ten times its weight,
// whatever steps it states.
type OneStep struct{}

// Name returns the name of its kind.
func (OneStep) Name() string { return "one-step" }

// Poison makes up the steps of an update.
func (OneStep) Poison(l *Liar, _ runs.Train, t Trained) (Trained, error) {
	t.Steps = 1
	l.Did("made up steps")
	return t, nil
}

// Stale announces as its update what others have already: an old update of its own or of another site,
// another site's update of this very round, or the base. It attacks the claim that every site's
// update counts once and for itself: equal manifests must not displace an honest one, nor take an
// artifact from a store that is needed there.
type Stale struct {
	known []copied
	said  map[offered]*ledger.Signed
}

// offered is the place of an update.
type offered struct {
	run             block.CID
	opened, attempt uint64
}

// copied is an update that was heard of.
type copied struct {
	manifest block.CID
	opened   uint64
	own      bool
}

// Name returns the name of its kind.
func (a *Stale) Name() string { return "stale" }

// Hear notes what is announced; the machine never learns that its training has ended, and announces
// nothing itself.
func (a *Stale) Hear(l *Liar, ev round.Event) round.Event {
	if s, body := l.heard(ev); s != nil {
		if u, ok := body.(*ledger.Update); ok {
			a.know(copied{u.Manifest, u.Opened, false})
		}
	}
	if t, ok := ev.(runs.Trained); ok {
		a.announce(l, t)
		return nil
	}
	return ev
}

func (a *Stale) know(c copied) {
	for _, k := range a.known {
		if k == c {
			return
		}
	}
	a.known = append(a.known, c)
}

// announce offers a copy in the place of what was trained; sometimes it waits for others to copy from.
func (a *Stale) announce(l *Liar, t runs.Trained) {
	r := l.Ledger().Run(t.Run)
	base, begun := r.BaseOf(t.Round)
	if !begun {
		return
	}
	at := offered{t.Run, t.Opened, t.Attempt}
	if again := a.said[at]; again != nil { // after a restart; another one would be a double
		l.Repeat(again)
		return
	}
	manifest, deed := a.copy(l, t, base)
	if deed == "" { // nothing yet
		l.After(100*time.Millisecond, func() { a.announce(l, t) })
		return
	}
	a.know(copied{t.Manifest, t.Opened, true})
	l.Did(deed)
	l.Hold(manifest)
	if a.said == nil {
		a.said = map[offered]*ledger.Signed{}
	}
	a.said[at] = l.Sign(ledger.KindUpdate, &ledger.Update{
		Run: t.Run, Round: t.Round, Opened: t.Opened, Attempt: t.Attempt, Base: base,
		Manifest: manifest, Samples: t.Samples, Metrics: map[string]float64{}, Norm: l.norm(t.Run, manifest, base),
	})
	l.Repeat(a.said[at])
}

// copy chooses what to announce, or waits for something.
func (a *Stale) copy(l *Liar, t runs.Trained, base block.CID) (manifest block.CID, deed string) {
	kind := l.rng.IntN(4)
	for _, i := range l.rng.Perm(len(a.known)) {
		switch k := a.known[i]; {
		case kind == 1 && k.own && k.opened < t.Opened:
			return k.manifest, "announced an old update of its own"
		case kind == 2 && !k.own && k.opened < t.Opened:
			return k.manifest, "announced another's old update"
		case kind == 3 && !k.own && k.opened == t.Opened:
			return k.manifest, "announced another's update"
		}
	}
	if kind == 0 {
		return base, "announced the base as its update"
	}
	return block.CID{}, ""
}
