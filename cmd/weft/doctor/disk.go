package doctor

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

// low is the room below which a site is warned: a model of a gigabyte is held a few times over in a round.
const low = 5 << 30 // bytes

// disk looks at the room for models, and tries whether files can be made.
func (c *Config) disk(reserve uint64, tell func(Finding)) {
	room, err := blockstore.Room(c.Dir, reserve)
	if err != nil {
		tell(failed("disk", err))
		return
	}
	if err := writable(c.Dir); err != nil {
		tell(failed("disk", err))
		return
	}
	f := Finding{Check: "disk", Level: Good, Text: term.Bytes(room) + " free for models"}
	if room < low {
		f.Level, f.Hint = Warning, "a round of n sites needs room for n+2 models; keep_models in config.yaml says how many more are kept, disk_reserve what is left for the log"
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
