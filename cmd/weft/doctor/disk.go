package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weft-mesh/weft/cmd/weft/term"
)

// low is the room below which a site is warned: a model of a gigabyte is held a few times over in a round.
const low = 5 << 30 // bytes

// disk looks at the room for models, and tries whether files can be made.
func (c *Config) disk(tell func(Finding)) {
	var s unix.Statfs_t
	if err := unix.Statfs(c.Dir, &s); err != nil {
		tell(failed("disk", fmt.Errorf("%s: %w", c.Dir, err)))
		return
	}
	if err := writable(c.Dir); err != nil {
		tell(failed("disk", err))
		return
	}
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // a block's size is an uint32 on macOS
	f := Finding{Check: "disk", Level: Good, Text: term.Bytes(free) + " free"}
	if free < low {
		f.Level, f.Hint = Warning, "a round of n sites needs room for n+2 models; keep_models in config.yaml says how many more are kept"
	}
	tell(f)
}

// writable tries whether a file can be made in a directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(filepath.Join(dir, filepath.Base(f.Name()))))
}
