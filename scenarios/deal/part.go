package deal

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/weft-mesh/weft/hint"
)

// part is a site's file, being written.
type part struct {
	file *os.File
	*bufio.Writer
}

// create begins a file for each part. None may be there: it could be the one that is dealt out.
func create(list []Part) (parts []*part, err error) {
	for _, p := range list {
		f, err := os.OpenFile(p.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			err = hint.Add(fmt.Errorf("%s is there already", p.Path), "remove it, or name another folder")
		}
		if err != nil {
			return nil, finish(parts, err)
		}
		parts = append(parts, &part{f, bufio.NewWriterSize(f, 64<<10)})
	}
	return parts, nil
}

// finish ends the parts. It removes them if err says that writing has failed, or if ending them fails.
func finish(parts []*part, err error) error {
	for _, p := range parts {
		if err == nil {
			err = p.Flush()
		}
		err = errors.Join(err, p.file.Close())
	}
	if err != nil {
		for _, p := range parts {
			os.Remove(p.file.Name())
		}
	}
	return err
}
