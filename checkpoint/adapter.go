package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/ledger"
)

// adapterConfig is the file beside an adapter's weights that says what it is, as PEFT has it.
const adapterConfig = ledger.AdapterKey

// setAdapter notes what a file says of the adapter in it.
func (c *Checkpoint) setAdapter(path, config string) error {
	if err := ledger.CheckAdapter(config); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrUnusable, err)
	}
	c.adapter = config
	return nil
}

// readAdapter reads the configuration in an adapter's folder; others have none.
func (c *Checkpoint) readAdapter(dir string) error {
	path := filepath.Join(dir, adapterConfig)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Size() > ledger.MaxAdapter:
		return fmt.Errorf("%s: %w: %d bytes, at most %d", path, ErrUnusable, info.Size(), ledger.MaxAdapter)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return c.setAdapter(path, string(text))
}
