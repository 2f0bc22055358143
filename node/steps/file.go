package steps

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

const (
	maxLine = 1 << 20 // bytes of a training: 256 points with 16 metrics have less
	suffix  = ".jsonl"
)

func path(dir string, run block.CID) string { return filepath.Join(dir, run.String()+suffix) }

// Read returns the curves of a run that a folder has, the oldest first.
func Read(dir string, run block.CID) ([]api.TrainingSteps, error) {
	list, _, err := readFile(path(dir, run))
	return list, err
}

// readFile is read of a file, which may be missing.
func readFile(path string) ([]api.TrainingSteps, int, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []api.TrainingSteps{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("curves of a run: %w", err)
	}
	defer f.Close()
	return read(f)
}

// read returns the newest trainings of a file, and how many lines it has. A line of the round and attempt of the one before takes its
// place; what is no training, as a crash has cut it short, is passed over.
func read(r io.Reader) (list []api.TrainingSteps, lines int, err error) {
	list = []api.TrainingSteps{}
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		lines++
		var t api.TrainingSteps
		if json.Unmarshal(in.Bytes(), &t) != nil || !fits(&t) {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Round == t.Round && list[n-1].Attempt == t.Attempt {
			list = list[:n-1]
		}
		if list = append(list, t); len(list) > maxTrainings {
			list = slices.Delete(list, 0, 1)
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, lines, fmt.Errorf("curves of a run: %w", err)
	}
	return list, lines, nil
}

// fits reports whether a curve can have been written here: its steps grow, and it is within the limits.
func fits(t *api.TrainingSteps) bool {
	for i, p := range t.Points {
		if i > 0 && p.Step <= t.Points[i-1].Step || len(p.Metrics) > ledger.MaxMetrics {
			return false
		}
	}
	return len(t.Points) > 0 && len(t.Points) <= maxPoints
}

// line is a training as the file has it.
func line(t api.TrainingSteps) []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // plain structs of ours, whose numbers are finite
	}
	return append(b, '\n')
}

// appendTo adds a line to a file. One that a crash has cut short is ended before.
func appendTo(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		_, _ = f.ReadAt(last, info.Size()-1) // what cannot be read cannot be written
	}
	if last[0] != '\n' {
		line = append([]byte{'\n'}, line...)
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// prune removes the files of the runs that trained longest ago, but for so many.
func prune(dir string, keep int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), suffix) {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	var errs []error
	for _, f := range files[min(keep, len(files)):] {
		errs = append(errs, os.Remove(filepath.Join(dir, f.Name())))
	}
	return errors.Join(errs...)
}

// whole is a file of these trainings.
func whole(list []*series) []byte {
	var b bytes.Buffer
	for _, s := range list {
		b.Write(line(s.TrainingSteps))
	}
	return b.Bytes()
}
