package blockstore

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// Artifact is a complete artifact, open to read. Its methods may be called from several
// goroutines. What it reads stays readable until Close, even if the store deletes it.
type Artifact struct {
	CID      block.CID // the manifest's
	Manifest Manifest  // not to be changed, nor what it holds
	Layout   tensor.Layout

	cut    *tensor.Cut
	path   string
	file   file
	offset int64
}

// Cut returns how the artifact is cut.
func (a *Artifact) Cut() *tensor.Cut { return a.cut }

// Len returns the number of shards.
func (a *Artifact) Len() int { return a.cut.Len() }

// Shard returns where shard i lies, and the types of its elements.
func (a *Artifact) Shard(i int) tensor.Shard { return a.cut.Shard(i) }

// ReadShard reads shard i into buf, which it grows as needed. It does not verify: who computes
// with the bytes first calls Manifest.Shards[i].Verify, and after a mismatch the store's Get,
// which takes the shard out of the store.
func (a *Artifact) ReadShard(i int, buf []byte) ([]byte, error) {
	if i < 0 || i >= a.Len() {
		return nil, fmt.Errorf("artifact %s: shard %d of %d: %w", a.CID, i, a.Len(), ErrForeign)
	}
	shard := a.cut.Shard(i)
	buf = sized(buf, shard.Bytes)
	if err := readFull(a.file, buf, a.offset+int64(shard.Offset)); err != nil {
		return nil, fmt.Errorf("artifact %s: shard %d: %w", a.CID, i, err)
	}
	return buf, nil
}

// Data returns the artifact's elements in canonical order, one tensor after the other.
func (a *Artifact) Data() *io.SectionReader {
	return io.NewSectionReader(a.file, a.offset, int64(a.cut.Bytes()))
}

// Close ends reading.
func (a *Artifact) Close() error { return a.file.Close() }

// checkHeader returns a CorruptError unless the file's own header says what the layout does.
func (a *Artifact) checkHeader() error {
	err := a.cut.CheckHeader(a.file, a.offset)
	if err == nil || !errors.Is(err, tensor.ErrSafetensors) && !errors.Is(err, tensor.ErrInvalid) && !damage(err) {
		return err
	}
	return &CorruptError{Block: a.CID, Manifest: a.CID, Shard: -1, File: a.path, Err: fmt.Errorf("header: %w", err)}
}

// Export writes the artifact as a safetensors file, verified shard by shard.
func (a *Artifact) Export(w io.Writer) error {
	b := bufio.NewWriterSize(w, exportBuffer)
	_, err := b.Write(a.cut.Header())
	var data []byte
	for i := 0; i < a.Len() && err == nil; i++ {
		if data, err = a.ReadShard(i, data); err == nil {
			err = a.Manifest.Shards[i].Verify(data)
		}
		if err == nil {
			_, err = b.Write(data)
		}
	}
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return fmt.Errorf("export %s: %w", a.CID, err)
	}
	return nil
}

// exportBuffer gathers small shards into writes of this many bytes.
const exportBuffer = 1 << 20
