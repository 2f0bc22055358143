package builtin

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-mesh/weft/train/builtin/corpus"
	"github.com/weft-mesh/weft/train/builtin/text"
)

// minText is the least text to train or measure on, in bytes.
const minText = 1 << 10

// heldoutShare: of a site's own text without a held-out one, the last 1/heldoutShare is kept
// from training, at most maxHeldout bytes.
const (
	heldoutShare = 10
	maxHeldout   = 64 << 10
)

// readData returns a site's training and held-out text.
func readData(data, heldout string) (train, held []byte, err error) {
	if train, err = readText(data, false); err != nil {
		return nil, nil, err
	}
	if heldout == "" && strings.HasPrefix(data, corpus.Prefix) {
		heldout = data
	}
	if heldout != "" {
		held, err = readText(heldout, true)
		return train, held, err
	}
	n := min(len(train)/heldoutShare, maxHeldout)
	return train[:len(train)-n], train[len(train)-n:], nil
}

// readText returns the text of a built-in sample, a file, or all .txt and .txt.gz files of a folder
// in the order of their names.
func readText(name string, heldout bool) ([]byte, error) {
	b, err := readAny(name, heldout)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrData, err)
	}
	if len(b) < minText {
		return nil, fmt.Errorf("%w: %s has %d bytes; at least %d are needed", ErrData, name, len(b), minText)
	}
	return b, nil
}

func readAny(name string, heldout bool) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("no file named; name a text file, a folder of them, or one of %s%s",
			corpus.Prefix, strings.Join(corpus.Kinds(), ", "+corpus.Prefix))
	}
	if strings.HasPrefix(name, corpus.Prefix) {
		s, err := corpus.Parse(name)
		if err != nil {
			return nil, err
		}
		if heldout {
			return s.Heldout()
		}
		return s.Train()
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return text.Read(name)
	}
	return readFolder(name)
}

func readFolder(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".txt") && !strings.HasSuffix(e.Name(), ".txt.gz") {
			continue
		}
		b, err := text.Read(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all.Write(b)
		all.WriteByte('\n')
	}
	return all.Bytes(), nil
}
