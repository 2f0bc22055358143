package scenarios

import (
	"errors"
	"fmt"
	"slices"
)

// Resize makes the scenario one of n sites: one after another the largest group shrinks or grows. If it
// cannot have so many, it stays as it is, and the error says why, and how many it can have.
func (s *Scenario) Resize(n int) error {
	to, err := s.resized(n)
	if err != nil {
		return fmt.Errorf("the number of its sites cannot be %d, only %s: %w", n, s.sizes(), err)
	}
	*s = *to
	return nil
}

// resized returns a copy with n sites, or why there is none.
func (s *Scenario) resized(n int) (*Scenario, error) {
	to := *s
	to.Sites = slices.Clone(s.Sites)
	to.fill()
	for have := to.size(); have != n; have = to.size() {
		g := to.largest()
		switch {
		case have == MaxSites && n > have:
			return nil, fmt.Errorf("%d are the most", MaxSites)
		case g == nil:
			return nil, errors.New("none of its groups has a count")
		case have < n:
			g.Count++
		case g.Count > 1:
			g.Count--
		default:
			return nil, errors.New("no group or single site can be left out")
		}
	}
	if field, err := to.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return &to, nil
}

// largest returns the group of most sites, of those that have a count, or nil.
func (s *Scenario) largest() (largest *Group) {
	for i := range s.Sites {
		if g := &s.Sites[i]; g.Count > 0 && (largest == nil || g.Count > largest.Count) {
			largest = g
		}
	}
	return largest
}

// size returns how many sites there are.
func (s *Scenario) size() (n int) {
	for _, g := range s.Sites {
		n += max(1, int(g.Count))
	}
	return n
}

// sizes says how many sites the scenario can have: if it can have two numbers of them, it can have all between.
func (s *Scenario) sizes() string {
	can := func(n int) bool {
		_, err := s.resized(n)
		return err == nil
	}
	least, most := s.size(), s.size()
	for can(least - 1) {
		least--
	}
	for can(most + 1) {
		most++
	}
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
