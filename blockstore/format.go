package blockstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// dirs are the directories that every store has.
var dirs = []string{tempDir, partialDir, artifactDir, blockDir}

func (d *folder) makeDirs() error {
	for _, dir := range dirs {
		if err := d.fs.MkdirAll(d.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

// checkFormat makes the directories of a new store, and refuses what is no store: clearing
// the tmp of a user's home would be a sad mistake.
func (d *folder) checkFormat() error {
	text, err := d.readFile(d.path(formatName), maxFormat)
	switch {
	case err == nil && string(text) == formatText:
		return d.makeDirs() // a backup may have left out empty ones
	case err == nil:
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, text, formatText)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.makeDirs(); err != nil {
		return err
	}
	temp := d.path(formatName + ".new")
	for _, dir := range slices.Concat(dirs, []string{""}) {
		infos, err := d.fs.ReadDir(d.path(dir))
		if err != nil {
			return err
		}
		for _, info := range infos {
			if info.IsDir() || dir == "" && (info.Name() == lockName || info.Name() == filepath.Base(temp)) {
				continue
			}
			return fmt.Errorf("%w: it holds %s but no file %q; give an empty directory", ErrFormat, filepath.Join(dir, info.Name()), formatName)
		}
	}
	if err := d.fs.SyncDir(filepath.Dir(d.dir)); err != nil {
		return err
	}
	if err := d.discard(temp); err != nil {
		return err
	}
	return d.writeFile(d.path(formatName), temp, []byte(formatText))
}
