package deal

import (
	"fmt"
	"strconv"
	"strings"
)

// Literals of Python become values of these types, or string, int64 and bool.
type (
	tuple []any
	list  []any
	dict  map[string]entry
)

// entry is a value of a dict, and how it is written.
type entry struct {
	value any
	text  string
}

// maxDepth is how deep literals may be in each other.
const maxDepth = 16

// literal reads the literals that the headers of NumPy's files are made of: Python's for dicts, lists, tuples, texts,
// whole numbers, True and False.
type literal struct {
	text string
	at   int
}

// parseDict reads a text that is a dict and nothing else.
func parseDict(text string) (dict, error) {
	l := &literal{text: text}
	v, err := l.value(0)
	if err != nil {
		return nil, err
	}
	d, ok := v.(dict)
	if l.skip(); !ok || l.at < len(text) {
		return nil, fmt.Errorf("%.60q is no dict", text)
	}
	return d, nil
}

// skip passes spaces and returns the next character; 0 at the end.
func (l *literal) skip() byte {
	for l.at < len(l.text) && strings.IndexByte(" \t\n", l.text[l.at]) >= 0 {
		l.at++
	}
	if l.at == len(l.text) {
		return 0
	}
	return l.text[l.at]
}

// accept goes behind a character if it is next.
func (l *literal) accept(c byte) bool {
	if l.skip() != c {
		return false
	}
	l.at++
	return true
}

// value reads a value that is so deep in others.
func (l *literal) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("values are more than %d deep in each other", maxDepth)
	}
	switch c := l.skip(); {
	case l.accept('{'):
		return l.dict(depth)
	case l.accept('['):
		items, _, err := l.items(']', depth)
		return list(items), err
	case l.accept('('):
		items, commas, err := l.items(')', depth)
		if len(items) == 1 && commas == 0 { // parentheses around a value
			return items[0], err
		}
		return tuple(items), err
	case c == '\'' || c == '"':
		return l.string()
	}
	return l.word()
}

// items reads the rest of a list or tuple, and says how many commas are in it.
func (l *literal) items(end byte, depth int) (items []any, commas int, err error) {
	for !l.accept(end) {
		if len(items) > commas {
			return nil, 0, l.unexpected()
		}
		v, err := l.value(depth + 1)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, v)
		if l.accept(',') {
			commas++
		}
	}
	return items, commas, nil
}

// dict reads the rest of a dict.
func (l *literal) dict(depth int) (dict, error) {
	d := dict{}
	for more := true; !l.accept('}'); more = l.accept(',') {
		if !more {
			return nil, l.unexpected()
		}
		key, err := l.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if _, twice := d[name]; !ok || twice || !l.accept(':') {
			return nil, l.unexpected()
		}
		l.skip()
		from := l.at
		v, err := l.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d[name] = entry{v, l.text[from:l.at]}
	}
	return d, nil
}

// string reads a text. Escapes stay as they are written: only names of fields have any.
func (l *literal) string() (string, error) {
	quote := l.text[l.at]
	from := l.at + 1
	for i := from; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case quote:
			l.at = i + 1
			return l.text[from:i], nil
		}
	}
	return "", fmt.Errorf("the text at byte %d does not end", l.at)
}

// word reads a number, True or False.
func (l *literal) word() (any, error) {
	rest := l.text[l.at:]
	n := strings.IndexAny(rest, " \t\n,:)]}")
	if n < 0 {
		n = len(rest)
	}
	switch rest[:n] {
	case "True", "False":
		l.at += n
		return rest[:n] == "True", nil
	}
	v, err := strconv.ParseInt(rest[:n], 10, 64)
	if err != nil {
		return nil, l.unexpected()
	}
	l.at += n
	return v, nil
}

func (l *literal) unexpected() error {
	if l.skip() == 0 {
		return fmt.Errorf("it ends too soon")
	}
	return fmt.Errorf("unexpected %.10q at byte %d", l.text[l.at:], l.at)
}
