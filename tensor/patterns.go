package tensor

import "slices"

// Patterns choose tensors by their whole names, as Python's fnmatchcase does: * stands for any text, dots too, ? for one character,
// [ab] and [a-c] for one of several, [!a] for one of the others. A [ without its ] is itself. Every text is a pattern.
type Patterns []string

// Match reports whether one of the patterns is that of a name.
func (p Patterns) Match(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool { return matches([]rune(pattern), []rune(name)) })
}

// Names returns the names in a layout that match.
func (p Patterns) Names(l Layout) (names []string) {
	if len(p) == 0 {
		return nil
	}
	for _, t := range l.Tensors {
		if p.Match(t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// matches takes time in proportion to the product of the lengths: after a mismatch the last * takes one character more.
func matches(pattern, name []rune) bool {
	at, star, from := 0, -1, 0 // in the pattern; where its last * is, and what follows that in the name
	for i := 0; i < len(name); {
		if at < len(pattern) && pattern[at] == '*' {
			star, from = at, i
			at++
			continue
		}
		if n := one(pattern[at:], name[i]); n > 0 {
			at, i = at+n, i+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		at, i = star+1, from
	}
	for at < len(pattern) && pattern[at] == '*' {
		at++
	}
	return at == len(pattern)
}

// one returns the length of the pattern's first element if it stands for a character, else 0.
func one(pattern []rune, c rune) int {
	if len(pattern) == 0 {
		return 0
	}
	if set, n := class(pattern); n > 0 {
		if set.has(c) {
			return n
		}
		return 0
	}
	if pattern[0] == '?' || pattern[0] == c {
		return 1
	}
	return 0
}

// set is what stands in brackets.
type set struct {
	chars  []rune
	others bool // it means what is not there
}

// class reads brackets at the front of a pattern; n is their length, 0 if there are none.
func class(pattern []rune) (s set, n int) {
	if pattern[0] != '[' {
		return s, 0
	}
	from := 1
	if from < len(pattern) && pattern[from] == '!' {
		s.others = true
		from++
	}
	end := from
	if end < len(pattern) && pattern[end] == ']' { // the first is one of the characters
		end++
	}
	for end < len(pattern) && pattern[end] != ']' {
		end++
	}
	if end >= len(pattern) {
		return s, 0
	}
	s.chars = pattern[from:end]
	return s, end + 1
}

func (s set) has(c rune) bool {
	for i := 0; i < len(s.chars); i++ {
		first, last := s.chars[i], s.chars[i]
		if i+2 < len(s.chars) && s.chars[i+1] == '-' {
			last = s.chars[i+2]
			i += 2
		}
		if first <= c && c <= last {
			return !s.others
		}
	}
	return s.others
}
