// Command corpus makes the text samples of package corpus from the full data sets.
//
//	corpus -data DIR -out train/builtin/corpus/samples
//
// DIR holds tinyshakespeare/input.txt.gz, dolly/{train,validation}.jsonl.gz and
// wikitext2/{valid,test}.txt.gz. Equal inputs give equal samples, byte for byte.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/train/builtin/text"
)

// Sizes of the samples in bytes, before the last paragraph is left out that does not fit.
const (
	trainBytes   = 256 << 10
	heldoutBytes = 32 << 10
)

func main() {
	data := flag.String("data", "", "folder of the data sets")
	out := flag.String("out", "samples", "folder that the samples go to")
	flag.Parse()
	if err := run(*data, *out); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(data, out string) error {
	for _, s := range []struct {
		kind, train, heldout   string
		readTrain, readHeldout func([]byte) ([][]byte, error)
	}{
		{"shakespeare", "tinyshakespeare/input.txt.gz", "tinyshakespeare/input.txt.gz", paragraphs, lastParagraphs},
		{"dolly", "dolly/train.jsonl.gz", "dolly/validation.jsonl.gz", questions, questions},
		{"wikitext", "wikitext2/valid.txt.gz", "wikitext2/test.txt.gz", articles, articles},
	} {
		if err := sample(filepath.Join(data, s.train), filepath.Join(out, s.kind+".train.txt.gz"), trainBytes, s.readTrain); err != nil {
			return err
		}
		if err := sample(filepath.Join(data, s.heldout), filepath.Join(out, s.kind+".heldout.txt.gz"), heldoutBytes, s.readHeldout); err != nil {
			return err
		}
	}
	return nil
}

// sample writes the first paragraphs that read finds in a file, up to size bytes.
func sample(from, to string, size int, read func([]byte) ([][]byte, error)) error {
	raw, err := text.Read(from)
	if err != nil {
		return err
	}
	parts, err := read(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	var b bytes.Buffer
	for _, p := range parts {
		if b.Len()+len(p)+2 > size {
			break
		}
		b.Write(p)
		b.WriteString("\n\n")
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, packed %d\n", to, b.Len(), packed.Len())
	return os.WriteFile(to, packed.Bytes(), 0o644)
}
