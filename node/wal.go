package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/round"
)

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

const frameHeader = 8 // bytes

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal is the log, open for appending.
type wal struct {
	f    *os.File
	size int64
	buf  []byte
}

// createWAL begins a log with its born record, durable on return. It does not replace one.
func createWAL(path string, born round.Born) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	w := &wal{f: f}
	defer func() {
		if err = errors.Join(err, w.close()); err != nil {
			err = errors.Join(fmt.Errorf("create log: %w", err), os.Remove(path))
		}
	}()
	if err := w.write([]byte(walMagic)); err != nil {
		return err
	}
	if err := w.append([]round.Record{{Born: &born}}); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openWAL opens a log for appending and hands its records to replay in order. A last frame that
// a crash has spoilt is cut off; torn is how many bytes that were. Any other damage is ErrLog.
func openWAL(path string, replay func(round.Record) error) (w *wal, torn int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	end, torn, err := readWAL(f, replay)
	if err != nil {
		return nil, 0, err
	}
	if torn > 0 {
		if err := errors.Join(f.Truncate(end), f.Sync()); err != nil {
			return nil, 0, fmt.Errorf("open log: cut off a torn end: %w", err)
		}
	}
	return &wal{f: f, size: end}, torn, nil
}

// append makes records durable: on return they survive a crash. After an error the log's
// state is unknown, and the node must stop.
func (w *wal) append(records []round.Record) error {
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

func (w *wal) write(p []byte) error {
	n, err := w.f.WriteAt(p, w.size)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

func (w *wal) close() error { return w.f.Close() }

// readWAL hands the records of a log to replay. It returns where the good frames end and how many
// bytes of a torn frame follow.
func readWAL(r io.ReaderAt, replay func(round.Record) error) (end, torn int64, err error) {
	size, err := sizeOf(r)
	if err != nil {
		return 0, 0, err
	}
	magic := make([]byte, len(walMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != walMagic {
		return 0, 0, damaged(0, errors.New("it does not begin as a log of weft"))
	}
	var frame []byte
	for end = int64(len(walMagic)); end < size; end += int64(len(frame)) {
		if frame, err = readFrame(r, end, size, frame); err != nil {
			return 0, 0, fmt.Errorf("log: %w", err)
		}
		if frame == nil {
			isTorn, err := tornAt(r, end, size)
			if err != nil {
				return 0, 0, err
			}
			if !isTorn {
				return 0, 0, damaged(end, errors.New("a frame there does not match its checksum"))
			}
			return end, size - end, nil
		}
		if err := replayFrame(frame[frameHeader:], end, replay); err != nil {
			return 0, 0, err
		}
	}
	return end, 0, nil
}

// readFrame returns the frame at an offset, header included, or nil if there is no good one.
func readFrame(r io.ReaderAt, at, size int64, buf []byte) ([]byte, error) {
	var header [frameHeader]byte
	if at+frameHeader > size {
		return nil, nil
	}
	if _, err := r.ReadAt(header[:], at); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(header[:]))
	if n == 0 || n > maxFrame || at+frameHeader+n > size {
		return nil, nil
	}
	if int64(cap(buf)) < frameHeader+n {
		buf = make([]byte, frameHeader+n)
	}
	buf = buf[:frameHeader+n]
	if _, err := r.ReadAt(buf, at); err != nil {
		return nil, err
	}
	if frameSum(buf) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, nil
	}
	return buf, nil
}

// tornAt reports whether the bad bytes from an offset on can be what a crash has left of the last
// write: less than a frame, or sectors that were never written and read as zeros. Anything else was
// durable once and has been acted upon: dropping it could make the site vote twice.
func tornAt(r io.ReaderAt, at, size int64) (bool, error) {
	const sector = 512
	rest := size - at
	if rest > frameHeader+maxFrame {
		return false, nil
	}
	data := make([]byte, rest)
	if _, err := r.ReadAt(data, at); err != nil {
		return false, fmt.Errorf("log: %w", err)
	}
	if rest < frameHeader {
		return true, nil
	}
	for p := range data[1:] {
		if isFrame(data[1+p:]) {
			return false, nil // it is not the last one
		}
	}
	n := int64(binary.LittleEndian.Uint32(data))
	if n > 0 && n <= maxFrame && frameHeader+n > rest {
		return true, nil
	}
	for begin := int64(0); begin < rest; {
		next := min(rest, (at+begin)/sector*sector+sector-at)
		if len(bytes.Trim(data[begin:next], "\x00")) == 0 {
			return true, nil
		}
		begin = next
	}
	return false, nil
}

// isFrame reports whether data begins with a good frame.
func isFrame(data []byte) bool {
	if len(data) <= frameHeader {
		return false
	}
	n := int64(binary.LittleEndian.Uint32(data))
	return n > 0 && n <= int64(len(data)-frameHeader) && frameSum(data[:frameHeader+n]) == binary.LittleEndian.Uint32(data[4:])
}

// replayFrame hands over the records of a payload.
func replayFrame(payload []byte, at int64, replay func(round.Record) error) error {
	for len(payload) > 0 {
		if len(payload) < 4 {
			return damaged(at, errors.New("a record is cut short"))
		}
		n := binary.LittleEndian.Uint32(payload)
		if payload = payload[4:]; uint64(n) > uint64(len(payload)) {
			return damaged(at, errors.New("a record is cut short"))
		}
		rec, err := round.DecodeRecord(payload[:n])
		if err != nil {
			return damaged(at, err)
		}
		if err := replay(rec); err != nil {
			return damaged(at, err)
		}
		payload = payload[n:]
	}
	return nil
}

func damaged(at int64, what error) error {
	return hint(fmt.Errorf("%w at byte %d: %w", ErrLog, at, what),
		"restore the file from a backup that is not older than the site's last vote; or move it away: the site then begins "+
			"a new log, catches up, and votes again once it has seen the others decide")
}

func sizeOf(r io.ReaderAt) (int64, error) {
	switch r := r.(type) {
	case interface{ Stat() (os.FileInfo, error) }:
		info, err := r.Stat()
		if err != nil {
			return 0, fmt.Errorf("log: %w", err)
		}
		return info.Size(), nil
	case interface{ Size() int64 }:
		return r.Size(), nil
	}
	return 0, errors.New("log: a reader without a size")
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
