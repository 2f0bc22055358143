package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

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
		if err == nil {
			err = replay(rec)
		}
		switch {
		case errors.As(err, new(*HintError)):
			return err // it is not the log's fault
		case errors.Is(err, ledger.ErrNewer), errors.Is(err, ledger.ErrUnknown):
			return hint(fmt.Errorf("log: at byte %d: %w", at, err), "start the weft that wrote it, or a later one; the log is good, leave it where it is")
		case err != nil:
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
