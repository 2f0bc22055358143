package proctree

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxNote bounds the bytes of a note that is read back.
const maxNote = 64 << 10

// noted is what is noted of a tree: its first process, which is the noting one until that is started, and the rest's mark. Both say
// something only in one life of the machine.
type noted struct {
	Process
	Mark string `json:"mark"`
	Boot string `json:"boot"`
}

// note is a tree's note in a folder; nil where none is kept.
type note struct {
	path  string
	noted noted
}

// newNote notes that a tree is about to be started.
func newNote(folder, mark string) (*note, error) {
	if folder == "" {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("notes of processes: %w", err)
	}
	f, err := os.CreateTemp(folder, "start-*.json")
	if err != nil {
		return nil, fmt.Errorf("note of a process: %w", err)
	}
	n := &note{f.Name(), noted{Process{os.Getpid(), begun(os.Getpid())}, mark, boot()}}
	return n, errors.Join(n.write(), f.Close())
}

// of notes the process that was started. The first note is enough where this one fails: it bounds the start from below.
func (n *note) of(p Process) {
	if n != nil {
		n.noted.Process = p
		_ = n.write()
	}
}

// write replaces the note. It need not outlast the machine's life, only this process'.
func (n *note) write() error {
	data, err := json.Marshal(n.noted)
	if err == nil {
		err = os.WriteFile(n.path, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note of a process: %w", err)
	}
	return nil
}

func (n *note) remove() {
	if n != nil {
		_ = os.Remove(n.path) // the next life finds nothing of it
	}
}

// Sweep ends what is left of the trees that a folder has notes of: of an earlier life of this process, which was killed. It returns
// what it has ended, and what outlives that for longer than a limit, whose notes stay.
func Sweep(folder string, limit time.Duration) (ended, left []Process, err error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("notes of processes: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name())
		n, ok := readNote(path)
		if ok && n.Boot == boot() {
			of, still := n.end(limit)
			ended, left = append(ended, of...), append(left, still...)
			if len(still) > 0 {
				continue
			}
		}
		if err := os.Remove(path); err != nil {
			return ended, left, fmt.Errorf("note of a process: %w", err)
		}
	}
	return ended, left, nil
}

// readNote reads a note back; ok is false for one that a crash has cut off, before its program ran.
func readNote(path string) (n noted, ok bool) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxNote {
		return n, false
	}
	data, err := os.ReadFile(path)
	return n, err == nil && json.Unmarshal(data, &n) == nil && n.Mark != ""
}

// end ends what is left of a noted tree.
func (n noted) end(limit time.Duration) (ended, left []Process) {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left = marked(n)
		for _, p := range left {
			p.kill()
			if !slices.Contains(ended, p) {
				ended = append(ended, p)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return slices.DeleteFunc(ended, func(p Process) bool { return slices.Contains(left, p) }), left
		}
		time.Sleep(pause)
	}
}
