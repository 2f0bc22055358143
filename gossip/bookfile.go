package gossip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// line is a site in the address file. Only Record counts; the rest is for people.
type line struct {
	Site   string   `json:"site"`
	Addrs  []string `json:"addrs"`
	Record []byte   `json:"record"` // the signed envelope; base64 in JSON
}

// encode returns the book as the text of an address file: a JSON array, one site per line.
func (b *book) encode() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := make([]line, 0, len(b.entries))
	for p, e := range b.entries {
		addrs := make([]string, 0, len(e.addrs))
		for _, a := range e.addrs {
			addrs = append(addrs, a.String())
		}
		lines = append(lines, line{p.String(), addrs, e.envelope})
	}
	slices.SortFunc(lines, func(x, y line) int { return strings.Compare(x.Site, y.Site) })
	var out bytes.Buffer
	out.WriteString("[")
	for i, l := range lines {
		j, err := json.Marshal(l)
		if err != nil {
			panic(err) // strings and bytes
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		out.Write(j)
	}
	out.WriteString("\n]\n")
	return out.Bytes()
}

// decode adds what an address file holds. It returns whose records it took; records that do not
// verify are in the error, and the others are taken all the same.
func (b *book) decode(text []byte, admitted func(peer.ID) bool) (taken []peer.ID, err error) {
	var lines []line
	if err := json.Unmarshal(text, &lines); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if len(lines) > maxRecords {
		return nil, fmt.Errorf("%w: %d records, at most %d", ErrRecord, len(lines), maxRecords)
	}
	for i, l := range lines {
		p, ok, err1 := b.add(l.Record, admitted)
		if err1 != nil {
			err = errors.Join(err, fmt.Errorf("record %d: %w", i, err1))
		}
		if ok {
			taken = append(taken, p)
		}
	}
	return taken, err
}

// loadBook reads the address file; one that does not exist is empty. The file is a convenience:
// whatever is wrong with it, the book is still good.
func loadBook(b *book, path string, admitted func(peer.ID) bool) (taken []peer.ID, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAddressFile))
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	if taken, err = b.decode(text, admitted); err != nil {
		return taken, fmt.Errorf("read addresses %s: %w", path, err)
	}
	return taken, nil
}

// saveBook replaces the address file.
func saveBook(b *book, path string) error {
	if err := replaceFile(path, b.encode()); err != nil {
		return fmt.Errorf("save addresses: %w", err)
	}
	return nil
}

// replaceFile puts data at path in one step: readers see the old file or the new one.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
