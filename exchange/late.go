package exchange

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// late returns the entries of the lane's fetch that v was asked for and the lane's provider would bring earlier, by how fast both
// have been lately, the last asked first; those asked of fewest providers come before the others. Where there are more that may
// become late, again is when to look.
//
// Who has delivered nothing to the fetch likely has nothing of it, or has it from where it is on its way here too: it is taken to
// be slow. Of what was asked of a provider that has never delivered anything, half is late when it is old.
func (l *lane) late(v *provider, now time.Time) (out []*entry, again time.Time) {
	f, p := l.fetch, l.by
	delivers := f.from[p.id].Blocks > 0 && p.pace.known()
	each, look := soon, patience
	if delivers {
		each, look = p.pace.takes(f.size), worth
	}
	queue, due := v.due(now)
	for k, a := range slices.Backward(queue) {
		e := l.stealable(a)
		if e == nil {
			continue
		}
		alternative := time.Duration(len(out)+1)*each + worth
		at := now.Add(look)
		late := due != nil && due[k] > alternative
		if due == nil {
			if !delivers {
				alternative = patience
			}
			at = a.at.Add(alternative)
			late = !at.After(now)
		}
		if late {
			out = append(out, e)
		} else if again.IsZero() || at.Before(again) {
			again = at
		}
	}
	slices.SortStableFunc(out, func(x, y *entry) int { return cmp.Compare(len(x.want.asks), len(y.want.asks)) })
	if due == nil {
		out = out[:(len(out)+1)/2]
	}
	return out, again
}

// due returns the asks of p in the order in which they are answered, and how long each is likely to take: what is coming by how
// it comes, the others by the provider's pace. There are no such times if it has delivered nothing so far.
func (p *provider) due(now time.Time) (queue []*ask, due []time.Duration) {
	place := func(a *ask) uint64 {
		if a.coming != nil {
			return 0
		}
		return a.seq
	}
	queue = slices.SortedFunc(maps.Values(p.asks), func(x, y *ask) int { return cmp.Compare(place(x), place(y)) })
	got := int64(0)
	if first := queue[0]; first.coming != nil {
		got = first.coming.got()
	}
	pace := p.pace.now(got, now)
	if !pace.known() {
		return queue, nil
	}
	var wait time.Duration
	for _, a := range queue {
		if a.coming != nil {
			wait += a.coming.left(now)
		} else {
			wait += pace.takes(a.size)
		}
		due = append(due, wait)
	}
	return queue, due
}

// stealable returns the entry of the lane's fetch that an ask of another provider is for, if the lane's provider can be asked for
// it too.
func (l *lane) stealable(a *ask) *entry {
	if a.want == nil || len(a.want.asks) >= maxAskers {
		return nil
	}
	for _, e := range a.want.entries {
		if e.fetch == l.fetch && l.askable(e) {
			return e
		}
	}
	return nil
}
