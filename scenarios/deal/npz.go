package deal

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weft-mesh/weft/hint"
)

// maxArrays is how many arrays a file may have.
const maxArrays = 1000

// npz is a file of NumPy's arrays, a zip archive, of which all have as many rows.
type npz struct {
	path string
	lim  limits
}

// open calls use with the arrays, once their headers were read.
func (z *npz) open(use func([]*array) error) error {
	f, err := os.Open(z.path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := zip.NewReader(f, info.Size())
	if errors.Is(err, zip.ErrFormat) {
		return hint.Add(errors.New("it is no zip archive, as .npz files are"), "save it with numpy.savez")
	}
	if err != nil {
		return err
	}
	if len(r.File) > maxArrays {
		return fmt.Errorf("it has %d arrays, at most %d", len(r.File), maxArrays)
	}
	var arrays []*array
	names := map[string]bool{}
	for _, f := range r.File {
		a, err := newArray(f)
		if err == nil && names[a.name] {
			err = fmt.Errorf("array %.60q is there twice", a.name)
		}
		if err != nil {
			return err
		}
		names[a.name] = true
		arrays = append(arrays, a)
	}
	if err := z.check(arrays); err != nil {
		return err
	}
	return use(arrays)
}

// check returns why the arrays cannot be dealt out together.
func (z *npz) check(arrays []*array) error {
	left := z.lim.bytes
	for _, a := range arrays {
		first := arrays[0]
		switch {
		case a.rows() != first.rows():
			return hint.Add(fmt.Errorf("array %.60q has %d rows, but %.60q has %d", a.name, a.rows(), first.name, first.rows()),
				"save arrays of one length in a file, such as those for training without those for tests")
		case a.rows() > int64(z.lim.rows):
			return tooMany(z.lim)
		}
		if left -= a.rows() * a.row(); left < 0 {
			return tooLarge(z.lim)
		}
	}
	return nil
}

func (z *npz) survey(w wish) (l *labels, err error) {
	err = z.open(func(arrays []*array) error {
		a, err := choose(arrays, w)
		if err != nil {
			return err
		}
		if a == nil {
			l = &labels{}
			if len(arrays) > 0 {
				l.rows = int(arrays[0].rows())
			}
			return nil
		}
		l, err = a.labels(w)
		return err
	})
	return l, err
}

// choose returns the array that is the label; nil if none is.
func choose(arrays []*array, w wish) (*array, error) {
	var names []string
	for _, a := range arrays {
		if w.name != "" && a.name == w.name {
			return a, nil
		}
		names = append(names, a.name)
	}
	there := "there is " + some(names)
	if w.name != "" {
		return nil, hint.Add(fmt.Errorf("no array %.60q", w.name), there)
	}
	if i := guess(names); i >= 0 {
		return arrays[i], nil
	}
	if w.must {
		return nil, hint.Add(errors.New("no array is named like a label"), "name one with --label: "+there)
	}
	return nil, nil
}

// epoch is the earliest time that an archive can have: the same input makes the same bytes.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func (z *npz) write(_ wish, h *hand, parts []*part) error {
	zips := make([]*zip.Writer, len(parts))
	for i, p := range parts {
		zips[i] = zip.NewWriter(p)
	}
	err := z.open(func(arrays []*array) error {
		to := make([]io.Writer, len(zips))
		for _, a := range arrays {
			if a.rows() != int64(len(h.site)) {
				return errChanged
			}
			for i, w := range zips {
				var err error
				if to[i], err = w.CreateHeader(&zip.FileHeader{Name: a.name + arrayExt, Modified: epoch}); err != nil {
					return err
				}
				if err := a.write(to[i], h.counts[i]); err != nil {
					return err
				}
			}
			if err := a.deal(h.site, to); err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range zips {
		if err == nil {
			err = w.Close()
		}
	}
	return err
}
