package deal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/hint"
)

// jsonRows finds the rows of a file with a JSON object in each line.
type jsonRows struct {
	lines  *bufio.Scanner
	line   int
	wish   wish
	values map[string]json.RawMessage // of the row that was checked last
	key    string                     // the label's
}

func newJSONL(in io.Reader, w wish) syntax {
	j := &jsonRows{lines: bufio.NewScanner(in), wish: w}
	j.lines.Buffer(nil, maxRow)
	j.lines.Split(wholeLines)
	return j
}

// wholeLines splits a text into lines with their ends.
func wholeLines(data []byte, atEnd bool) (int, []byte, error) {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 && atEnd {
		n = len(data)
	}
	if n == 0 {
		return 0, nil, nil
	}
	return n, data[:n], nil
}

// next skips empty lines.
func (j *jsonRows) next() ([]byte, error) {
	for j.lines.Scan() {
		j.line++
		if len(bytes.TrimSpace(j.lines.Bytes())) > 0 {
			return j.lines.Bytes(), nil
		}
	}
	err := j.lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return nil, hint.Add(fmt.Errorf("line %d has more than %d bytes", j.line+1, maxRow), oneEach)
	}
	if err == nil {
		err = io.EOF
	}
	return nil, err
}

const oneEach = `each line is an object, such as {"text": "...", "label": 1}; jq -c '.[]' makes such lines of an array`

func (j *jsonRows) check() error {
	clear(j.values)
	if err := json.Unmarshal(j.lines.Bytes(), &j.values); err != nil {
		return hint.Add(fmt.Errorf("line %d is no JSON object: %w", j.line, err), oneEach)
	}
	if j.values == nil {
		return hint.Add(fmt.Errorf("line %d is no JSON object: it is null", j.line), oneEach)
	}
	return nil
}

func (j *jsonRows) head() []byte { return nil }

func (j *jsonRows) column() (string, error) {
	if j.wish.name != "" {
		j.key = j.wish.name
		return j.key, nil
	}
	keys := slices.Sorted(maps.Keys(j.values))
	i := guess(keys)
	if i >= 0 {
		j.key = keys[i]
	} else if j.wish.must {
		return "", hint.Add(fmt.Errorf("no key of line %d is named like a label", j.line), "name one with --label: there is "+some(keys))
	}
	return j.key, nil
}

func (j *jsonRows) label() (string, error) {
	value, ok := j.values[j.key]
	switch {
	case !ok:
		return "", hint.Add(fmt.Errorf("line %d has no key %.60q", j.line, j.key), "there is "+some(slices.Sorted(maps.Keys(j.values))))
	case value[0] == '{' || value[0] == '[':
		return "", fmt.Errorf("line %d: label %.60q is an object or an array, want text or a number", j.line, j.key)
	case value[0] != '"':
		return string(value), nil
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", fmt.Errorf("line %d: label %.60q: %w", j.line, j.key, err)
	}
	return text, nil
}
