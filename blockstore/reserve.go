package blockstore

import (
	"fmt"
)

// maxReserve is the most that a store leaves free of its own accord: on a small disk it is a twentieth of that.
const maxReserve = 1 << 30

// smallWrite is the most that is written into the reserve: the ledger's blocks, and what the store notes to itself.
const smallWrite = 64 << 10

// Room returns how many bytes of artifacts the disk has room for: what is free, without the reserve.
func (s *store) Room() (uint64, error) {
	room, _, err := s.files.room()
	return room, err
}

// Room returns what a store in dir has room for, be it open or not, with so many bytes in reserve; 0: as much as it leaves by itself.
func Room(dir string, reserve uint64) (uint64, error) {
	d := &folder{fs: osFS{}, dir: dir}
	d.reserve.Store(reserve)
	room, _, err := d.room()
	return room, err
}

// SetReserve changes how many bytes of the disk stay free; 0: as much as the store leaves by itself.
func (s *store) SetReserve(bytes uint64) { s.files.reserve.Store(bytes) }

func (d *folder) room() (room, reserve uint64, err error) {
	free, size, err := d.fs.Free(d.dir)
	if err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", d.dir, err)
	}
	reserve = d.reserve.Load()
	if reserve == 0 {
		reserve = min(maxReserve, size/20)
	}
	return free - min(free, reserve), reserve, nil
}

// claim returns ErrFull if so many bytes would take from the reserve, which is for the log: a site that cannot write that stops.
// Several sites may share a disk, so each looks before it writes.
func (d *folder) claim(bytes int) error {
	room, reserve, err := d.room()
	if err != nil || uint64(bytes) <= room {
		return nil // what cannot be told is found out by writing
	}
	return fmt.Errorf("%w: %d MB stay free for the log", ErrFull, reserve/1e6)
}
