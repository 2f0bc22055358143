package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/round"
)

// ErrDamaged is returned for a log that is damaged in a way that no crash explains.
var ErrDamaged = errors.New("log is damaged")

// The log is what a site may not forget: its votes and updates, and the entries decided. It is
// a file of frames after walMagic:
//
//	length  uint32, little-endian: of the payload
//	crc     uint32, little-endian: CRC-32C (RFC 3720, Castagnoli) of length and payload
//	payload records, each with its length as uint32 before it
//
// One Work is one frame (more only if it is very large) and one sync, and no frame is begun before the
// one before it is synced. So a crash can only spoil the last frame, which was not acted upon.
const walMagic = "weftlog1"

const (
	frameHeader = 8       // bytes
	maxFrame    = 4 << 20 // bytes of a frame; a record is a block at most
	maxBatch    = 1 << 20 // bytes of records after which a frame ends
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Log is the log, open for appending.
type Log struct {
	f    *os.File
	size int64
	buf  []byte
}

// Create begins a log with its born record, durable on return. It does not replace one.
func Create(path string, born round.Born) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	w := &Log{f: f}
	defer func() {
		if err = errors.Join(err, w.Close()); err != nil {
			err = errors.Join(fmt.Errorf("create log: %w", err), os.Remove(path))
		}
	}()
	if err := w.write([]byte(walMagic)); err != nil {
		return err
	}
	if err := w.Append([]round.Record{{Born: &born}}); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// Open opens a log for appending and hands its records to replay in order. A last frame that
// a crash has spoilt is cut off; torn is how many bytes that were. Any other damage is ErrLog.
func Open(path string, replay func(round.Record) error) (w *Log, torn int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	end, torn, err := Read(f, replay)
	if err != nil {
		return nil, 0, err
	}
	if torn > 0 {
		if err := errors.Join(f.Truncate(end), f.Sync()); err != nil {
			return nil, 0, fmt.Errorf("open log: cut off a torn end: %w", err)
		}
	}
	return &Log{f: f, size: end}, torn, nil
}

// Append makes records durable: on return they survive a crash. After an error the log's
// state is unknown, and the node must stop.
func (w *Log) Append(records []round.Record) error {
	for len(records) > 0 {
		w.buf = append(w.buf[:0], make([]byte, frameHeader)...)
		n := 0
		for n < len(records) && len(w.buf) < maxBatch {
			data := records[n].Encode()
			if n > 0 && len(w.buf)+4+len(data) > maxFrame {
				break
			}
			w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(data)))
			w.buf = append(w.buf, data...)
			n++
		}
		if len(w.buf) > frameHeader+maxFrame {
			return fmt.Errorf("log: a record of %d bytes, at most %d", len(w.buf), maxFrame)
		}
		sealFrame(w.buf)
		if err := w.write(w.buf); err != nil {
			return err
		}
		if err := w.f.Sync(); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		records = records[n:]
	}
	return nil
}

// sealFrame fills in the header of a frame.
func sealFrame(frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint32(frame[4:], frameSum(frame))
}

func frameSum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[frameHeader:])
}

func (w *Log) write(p []byte) error {
	n, err := w.f.WriteAt(p, w.size)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// Close closes the file; all records are synced.
func (w *Log) Close() error { return w.f.Close() }
