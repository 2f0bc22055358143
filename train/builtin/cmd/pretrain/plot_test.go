package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	dir := t.TempDir()
	log, plot := filepath.Join(dir, "l.csv"), filepath.Join(dir, "l.svg")
	if err := os.WriteFile(log, []byte("step,tokens,train_loss,valid_loss\n1,1000000,2.5,2.4\n2,2000000,2.0,2.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := draw(log, plot); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	paths := 0
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "path" {
			paths++
		}
	}
	if paths < 4 {
		t.Errorf("%d lines in %s", paths, b)
	}
	if err := os.WriteFile(log, []byte("step,tokens\nx,y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := draw(log, plot); err == nil {
		t.Error("a log without numbers was drawn")
	}
}

// TestRecipe trains for a few steps, twice, on few bytes: same files.
func TestRecipe(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("All happy families are alike. ", 40)), 0o644); err != nil {
		t.Fatal(err)
	}
	var models []string
	for _, name := range []string{"a", "b"} {
		r := recipe{train: text, valid: text, out: filepath.Join(dir, name), log: filepath.Join(dir, name+".csv"),
			plot: filepath.Join(dir, name+".svg"), steps: 2, batch: 2, warmup: 1, rate: 1e-3, seed: 1}
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(r.out)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, string(b))
	}
	if models[0] != models[1] {
		t.Error("equal recipes give different models")
	}
}
