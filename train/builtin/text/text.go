// Package text reads training text and draws sequences from it.
package text

import (
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/weft-mesh/weft/train/builtin/llama"
)

// maxText bounds a text file, unpacked, in bytes.
const maxText = 1 << 30

// Read returns a file's bytes, unpacked if its name ends in .gz.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(b) > maxText {
		return nil, fmt.Errorf("read %s: more than %d bytes of text; split it", path, maxText)
	}
	return b, nil
}

// Sampler draws windows of a text at random, with replacement.
type Sampler struct {
	text   []byte
	length int
	rand   *rand.Rand
}

// NewSampler returns a sampler of windows of length bytes, or of the whole text if that is shorter.
func NewSampler(text []byte, length int, seed uint64) *Sampler {
	return &Sampler{text, min(length, len(text)), rand.New(rand.NewPCG(seed, 2))}
}

// Batch returns n windows; they share the text's memory.
func (s *Sampler) Batch(n int) []llama.Sequence {
	batch := make([]llama.Sequence, n)
	for i := range batch {
		at := s.rand.IntN(len(s.text) - s.length + 1)
		batch[i] = s.text[at:][:s.length]
	}
	return batch
}
