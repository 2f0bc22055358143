package deal

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"

	"github.com/weft-mesh/weft/hint"
)

// maxRow is how long a row may be: one that a missing quote does not end would fill the memory.
const maxRow = 16 << 20

// text is a file whose rows are lines, more or less.
type text struct {
	path   string
	packed bool // by gzip
	lim    limits
	syntax func(in io.Reader, w wish) syntax
}

// syntax finds the rows of a text, and what they have for a label.
type syntax interface {
	// next returns the bytes of the next row, valid until it is called again, and io.EOF after the last.
	next() ([]byte, error)
	// check says what is wrong with the row that was read last, if next has not.
	check() error
	// head returns the header, once the first row was read; empty if there is none.
	head() []byte
	// column chooses the label, once the first row was checked, and returns its name; empty if there is none.
	column() (string, error)
	// label returns the label of the row that was checked last.
	label() (string, error)
}

// open calls use with the file's text: unpacked, and without the byte order mark that Excel writes.
func (t *text) open(use func(io.Reader) error) error {
	f, err := os.Open(t.path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 256<<10)
	if t.packed {
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(z, 256<<10)
	}
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		if _, err := in.Discard(len(mark)); err != nil {
			return err
		}
	}
	return use(&limited{in, t.lim.bytes, t.lim})
}

// limited is a reader of so many bytes; more are an error.
type limited struct {
	in   io.Reader
	left int64
	lim  limits
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, tooLarge(l.lim)
	}
	return n, err
}

func (t *text) survey(w wish) (*labels, error) {
	count := newTally("", w)
	err := t.open(func(in io.Reader) error {
		s := t.syntax(in, w)
		for {
			_, err := s.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = s.check()
			}
			if err != nil {
				return err
			}
			if count.rows == 0 {
				column, err := s.column()
				if err != nil {
					return err
				}
				count = newTally(column, w)
			}
			if count.rows == t.lim.rows {
				return tooMany(t.lim)
			}
			if !count.counting() {
				count.skip()
			} else if err := count.add(s.label()); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return count.done()
}

func (t *text) write(w wish, h *hand, parts []*part) error {
	return t.open(func(in io.Reader) error {
		s := t.syntax(in, w)
		for i, site := range h.site {
			row, err := s.next()
			if errors.Is(err, io.EOF) {
				return errChanged
			}
			if err != nil {
				return err
			}
			if i == 0 && len(s.head()) > 0 {
				for _, p := range parts {
					if err := writeLine(p, s.head()); err != nil {
						return err
					}
				}
			}
			if err := writeLine(parts[site], row); err != nil {
				return err
			}
		}
		if _, err := s.next(); !errors.Is(err, io.EOF) {
			return errChanged
		}
		return nil
	})
}

// errChanged is returned for a file that was written to meanwhile.
var errChanged = hint.Add(errors.New("it has changed while it was read"), "try again once nothing writes to it")

// writeLine writes a row, and ends its line where the file's end has ended it.
func writeLine(to io.Writer, row []byte) error {
	_, err := to.Write(row)
	if err == nil && !bytes.HasSuffix(row, []byte("\n")) {
		_, err = to.Write([]byte("\n"))
	}
	return err
}
