package deal

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// csvRows finds the rows of a CSV file. It keeps their bytes: written anew, quotes and line ends would be others.
type csvRows struct {
	in     *csv.Reader
	read   *recorder
	end    int64 // of the row that was read last, in what was read
	line   int   // in which it ends, or its last cell begins
	cells  []string
	wish   wish
	begun  bool
	header []byte   // empty without one
	names  []string // the header's cells
	at     int      // the label's column, from 0
}

func newCSV(in io.Reader, w wish) syntax {
	read := &recorder{in: in}
	c := &csvRows{in: csv.NewReader(read), read: read, wish: w}
	c.in.ReuseRecord = true
	return c
}

// recorder keeps the bytes of the row that is being read.
type recorder struct {
	in   io.Reader
	kept bytes.Buffer
}

var errLongRow = errors.New("row too long")

func (r *recorder) Read(p []byte) (int, error) {
	if r.kept.Len() > maxRow {
		return 0, errLongRow
	}
	n, err := r.in.Read(p)
	r.kept.Write(p[:n])
	return n, err
}

func (c *csvRows) next() ([]byte, error) {
	row, err := c.record()
	if err != nil || c.begun {
		return row, err
	}
	c.begun = true
	if !c.isHeader() {
		return row, nil
	}
	c.header, c.names = bytes.Clone(row), slices.Clone(c.cells)
	for i := range c.names {
		c.names[i] = strings.TrimSpace(c.names[i])
	}
	return c.record()
}

// isHeader reports whether the first row names the columns: nothing in it is a number, or it names the label. pandas
// numbers columns that have no names.
func (c *csvRows) isHeader() bool {
	isNumber := func(cell string) bool {
		_, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
		return err == nil
	}
	if !slices.ContainsFunc(c.cells, isNumber) {
		return true
	}
	names := func(cell string) bool { return strings.TrimSpace(cell) == c.wish.name }
	return c.wish.name != "" && !isNumber(c.wish.name) && slices.ContainsFunc(c.cells, names)
}

// record returns the next row, the header too.
func (c *csvRows) record() ([]byte, error) {
	cells, err := c.in.Read()
	var wrong *csv.ParseError
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		line, _ := c.in.FieldPos(0)
		return nil, hint.Add(fmt.Errorf("line %d: %d cells, want %d as in the first row", line, len(cells), c.in.FieldsPerRecord),
			"cells are separated by commas; one that has a comma in it is quoted")
	case errors.As(err, &wrong):
		return nil, hint.Add(fmt.Errorf("line %d: %w", wrong.Line, wrong.Err), "a cell with a quote in it is quoted, and its quotes are doubled")
	case errors.Is(err, errLongRow):
		return nil, hint.Add(fmt.Errorf("the row after line %d has more than %d bytes", c.line, maxRow), "look there for a quote that another one does not end")
	case err != nil:
		return nil, err
	}
	c.cells = cells
	c.line, _ = c.in.FieldPos(len(cells) - 1)
	row := c.read.kept.Next(int(c.in.InputOffset() - c.end))
	c.end = c.in.InputOffset()
	for { // empty lines, which the reader skips
		if rest, ok := bytes.CutPrefix(row, []byte("\n")); ok {
			row = rest
		} else if rest, ok := bytes.CutPrefix(row, []byte("\r\n")); ok {
			row = rest
		} else {
			return row, nil
		}
	}
}

func (c *csvRows) check() error { return nil }

func (c *csvRows) head() []byte { return c.header }

func (c *csvRows) column() (string, error) {
	var err error
	if c.at, err = c.choose(); err != nil || c.at < 0 {
		return "", err
	}
	if c.names == nil || c.names[c.at] == "" {
		return strconv.Itoa(c.at + 1), nil
	}
	return c.names[c.at], nil
}

// choose returns the label's column, -1 if there is none.
func (c *csvRows) choose() (int, error) {
	last := len(c.cells) - 1
	if c.wish.name != "" {
		if c.names == nil {
			if n, err := strconv.Atoi(c.wish.name); err == nil && n >= 1 && n <= last+1 {
				return n - 1, nil
			}
			return 0, hint.Add(fmt.Errorf("no column %.60q, as there is no header", c.wish.name),
				fmt.Sprintf("name a column by its number, 1 to %d, or write a first row without numbers", last+1))
		}
		if i := slices.Index(c.names, c.wish.name); i >= 0 {
			return i, nil
		}
		return 0, hint.Add(fmt.Errorf("no column %.60q in the first row", c.wish.name), "there is "+some(c.names))
	}
	if i := guess(c.names); i >= 0 || !c.wish.must {
		return i, nil
	}
	if last == 0 {
		return 0, hint.Add(errors.New("there is one column, and it cannot be data and label"), "separate cells by commas, or deal rows without a label, as iid")
	}
	return last, nil
}

func (c *csvRows) label() (string, error) { return strings.TrimSpace(c.cells[c.at]), nil }

// some lists names, the first of many.
func some(names []string) string {
	const most = 10
	var b strings.Builder
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.60q", name)
	}
	if len(names) > most {
		fmt.Fprintf(&b, " and %d others", len(names)-most)
	}
	return b.String()
}
