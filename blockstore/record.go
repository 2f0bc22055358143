package blockstore

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// record says which shards of a partial artifact are in its file. It is written after the
// file was synced, so what it says is durable; what the file has beyond it is fetched again
// after a crash.
//
// A journal rather than hashing the file again: a store with the updates of a large round,
// each some hundred gigabytes of holes and a few shards, must open at once, and a reducer
// must know for sure which shards it may sign have-receipts for. A bitmap that is replaced
// as a whole rather than a log: it is small (a byte for 8 shards), and never torn.
//
// The file is the BLAKE3-256 digest of the record's DAG-CBOR, then that.
type record struct {
	Manifest block.CID `cbor:"manifest"`
	Finite   bool      `cbor:"finite"` // all of them were checked to be finite
	Held     []byte    `cbor:"held"`   // a bitmap
}

// maxRecord bounds a record's file in bytes.
const maxRecord = block.DigestSize + 1024 + tensor.MaxShards/8

func (d *folder) writeRecord(r record) error {
	b := block.Of(r)
	digest := b.CID.Digest()
	return d.writeFile(d.recordPath(r.Manifest), d.tempPath(), append(digest[:], b.Data...))
}

// readRecord reads the record of an artifact of n shards.
func (d *folder) readRecord(c block.CID, n int) (record, error) {
	data, err := d.readFile(d.recordPath(c), maxRecord)
	if err != nil {
		return record{}, fmt.Errorf("record: %w", err)
	}
	return parseRecord(data, c, n)
}

func parseRecord(data []byte, c block.CID, n int) (record, error) {
	var r record
	if len(data) < block.DigestSize {
		return record{}, fmt.Errorf("record: %w: %d bytes", tensor.ErrInvalid, len(data))
	}
	digest, data := [block.DigestSize]byte(data), data[block.DigestSize:]
	if err := block.FromDigest(block.DagCBOR, digest).Verify(data); err != nil {
		return record{}, fmt.Errorf("record: %w", err)
	}
	if err := block.Decode(data, &r); err != nil {
		return record{}, fmt.Errorf("record: %w", err)
	}
	if r.Manifest != c || !bitmap(r.Held).valid(n) {
		return record{}, fmt.Errorf("record: %w: not of %s with %d shards", tensor.ErrInvalid, c, n)
	}
	return r, nil
}

// dataOffset returns where the data begins in an artifact's file of size bytes. It returns
// tensor.ErrInvalid unless header and data fill the file.
func (d *folder) dataOffset(path string, size int64, cut *tensor.Cut) (int64, error) {
	f, err := d.fs.Open(path, false)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	offset, err := cut.Begin(f)
	if err != nil {
		return 0, err
	}
	if offset+int64(cut.Bytes()) != size || offset%tensor.DataAlign != 0 { // no header of the store's ends elsewhere
		return 0, fmt.Errorf("%s: %w: %d bytes, with a header of %d and data of %d", d.relative(path), tensor.ErrInvalid, size, offset, cut.Bytes())
	}
	return offset, nil
}
