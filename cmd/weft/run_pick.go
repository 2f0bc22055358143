package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
)

var (
	errNoRun   = errors.New("there is none")     // no run can be meant
	errSeveral = errors.New("there are several") // more than one can
)

// runRef is a run that a command is about.
type runRef struct {
	id   block.CID
	name string
}

// pickRun finds the run that args name, or the only one there can be.
func pickRun(ctx context.Context, c reader, args []string, kind runKind) (runRef, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return runRef{}, err
	}
	found := candidates(s, kind)
	const hint = "`weft run list` shows the runs"
	if len(args) > 0 {
		if kind == runAnswerable {
			found = append(found, candidates(s, runActive)...) // a name may change an earlier answer
			found = append(found, asked(s, false)...)
		}
		if found = named(found, args[0]); len(found) == 0 && len(named(candidates(s, runAny), args[0])) > 0 {
			return runRef{}, fail(nil, hint, "run %s is over", args[0])
		}
	}
	if len(args) > 0 {
		found = newest(s, found, args[0])
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return runRef{}, advised(&failure{kind: errSeveral, text: several(found)}, "say which, by the CID's end in brackets, or by its name where that is one run's")
	case len(args) > 0:
		return runRef{}, fail(errNoRun, hint, "run %q", args[0])
	}
	return runRef{}, fail(errNoRun, hint, "no run to act on")
}

// newest returns of several runs with one name the one that goes on, or else the last; all if more than one goes on, or what
// they have in common is the end of a CID.
func newest(s *api.Status, found []runRef, name string) []runRef {
	var live, last []runRef
	for _, r := range found {
		if r.name != name {
			return found
		}
		if st := findRun(s, r.id.String()); st == nil || !over(st.Phase) {
			live = append(live, r)
		}
		last = []runRef{r}
	}
	if len(live) > 0 {
		return live
	}
	return last
}

// pickShown finds the run to show: the one that args name, or that goes on, or else the last that has a committed round.
func pickShown(ctx context.Context, c reader, args []string) (runRef, error) {
	if len(args) > 0 {
		return pickRun(ctx, c, args, runAny)
	}
	r, none := pickRun(ctx, c, args, runActive)
	if !errors.Is(none, errNoRun) {
		return r, none
	}
	s, err := c.Status(ctx)
	if err != nil {
		return runRef{}, err
	}
	if len(s.Runs) == 0 {
		return runRef{}, none
	}
	last := &s.Runs[len(s.Runs)-1]
	for i := range slices.Backward(s.Runs) { // one that was stopped at once has nothing to show
		if r := &s.Runs[i]; r.Newest != nil {
			last = r
			break
		}
	}
	return runRef{last.ID, last.Name}, nil
}

// pickWatched is pickShown that also finds a run which is asked for and not open: it opens while it is watched.
func pickWatched(ctx context.Context, c reader, args []string) (runRef, error) {
	r, none := pickShown(ctx, c, args)
	if !errors.Is(none, errNoRun) {
		return r, none
	}
	s, err := c.Status(ctx)
	if err != nil {
		return runRef{}, err
	}
	waiting := asked(s, false)
	if len(args) > 0 {
		waiting = named(waiting, args[0])
	}
	if len(waiting) != 1 {
		return runRef{}, none
	}
	return waiting[0], nil
}

// candidates lists runs by kind; without a name only those that ask can be answered.
func candidates(s *api.Status, kind runKind) (found []runRef) {
	if kind != runAnswerable {
		for _, r := range s.Runs {
			if kind == runAny || !over(r.Phase) {
				found = append(found, runRef{r.ID, r.Name})
			}
		}
	}
	if kind == runStoppable {
		found = append(found, asked(s, true)...)
	}
	if kind == runAny || kind == runAnswerable {
		for _, p := range s.Pending {
			if !slices.ContainsFunc(found, func(r runRef) bool { return r.id == p.Run }) {
				found = append(found, runRef{p.Run, p.Spec.Name})
			}
		}
	}
	return found
}

// asked lists the runs that are asked for and not open; own alone are those that this site asks for.
func asked(s *api.Status, own bool) (found []runRef) {
	for _, a := range s.NotOpen {
		if a.Own || !own {
			found = append(found, runRef{a.Run, a.Spec.Name})
		}
	}
	return found
}

// several says which runs can be meant.
func several(runs []runRef) string {
	names := make([]string, len(runs))
	for i, r := range runs {
		names[i] = r.name + " (" + r.id.Short() + ")"
	}
	return "more than one run can be meant: " + strings.Join(names, ", ")
}

// named returns the runs with that name, or whose CID is or ends in it.
func named(runs []runRef, name string) (found []runRef) {
	for _, r := range runs {
		if slices.Contains(found, r) {
			continue
		}
		if r.name == name || endsIn(r.id, name) {
			found = append(found, r)
		}
	}
	return found
}

// knownWait is how long a run that was just opened may take to become known here.
const knownWait = 10 * time.Second

// awaitRun is pickRun for a run to be answered; it waits for one that is on its way.
func awaitRun(ctx context.Context, c reader, args []string) (runRef, error) {
	for end := time.Now().Add(knownWait); ; {
		r, err := pickRun(ctx, c, args, runAnswerable)
		if err == nil || !errors.Is(err, errNoRun) || time.Now().After(end) {
			return r, err
		}
		if err := sleep(ctx, watchEvery/2); err != nil {
			return runRef{}, err
		}
	}
}
