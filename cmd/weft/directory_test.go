package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/scenarios/nodetest"
)

var rewrite = flag.Bool("rewrite", false, "write what weft verify says of testdata's directories anew")

// What an older program has left on a disk verifies as it did when that was written: as a directory, as a CAR file
// of its ledger, and computed anew from the updates that it keeps. Words may change, and the golden text with them;
// what it says may not.
func TestVerifyDirectory(t *testing.T) {
	t.Parallel()
	const fixture = "../../testdata/directory-1"
	site, car := nodetest.Unpack(t, filepath.Join(fixture, "site.tar.gz")), filepath.Join(fixture, "ledger.car")
	for _, c := range []struct {
		golden string
		args   []string
	}{
		{"verify.txt", []string{site}},
		{"verify.txt", []string{car}},
		{"verify.json", []string{"--json", site}},
		{"verify.json", []string{"--json", car}},
		{"recompute.txt", []string{"--recompute", site}},
		{"recompute.json", []string{"--recompute", "--json", site}},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command("weft", append([]string{"verify"}, c.args...)...)
		cmd.Stderr = &stderr
		got, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("weft verify %v: %v\n%s", c.args, err, &stderr)
		}
		path := filepath.Join(fixture, c.golden)
		if *rewrite {
			err = os.WriteFile(path, got, 0o644)
		}
		want, err2 := os.ReadFile(path)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("weft verify %v says\n%swant, as in %s\n%s", c.args, got, c.golden, want)
		}
	}
}
