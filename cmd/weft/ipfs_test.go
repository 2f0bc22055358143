package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/scenarios/nodetest"
)

// ipfsEnv names a folder with IPLD's packages and Kubo, as make ipfs fills it.
const ipfsEnv = "WEFT_IPFS"

// exports writes the ledger of an older program's directory as a CAR file, and a model of it.
func exports(t *testing.T) (ledger, model string) {
	t.Helper()
	site, dir := nodetest.Unpack(t, "../../testdata/directory-1/site.tar.gz"), t.TempDir()
	ledger, model = filepath.Join(dir, "ledger.car"), filepath.Join(dir, "model.car")
	for _, args := range [][]string{
		{"ledger", "--car", ledger},
		{"verify", ledger},
		{"model", "export", "latest", "--run", "long", "--car", "-o", model},
	} {
		if out, err := exec.Command("weft", append([]string{"--dir", site}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("weft %v: %v\n%s", args, err, out)
		}
	}
	return ledger, model
}

// From its roots every block of a CAR file is reached, and nothing else: so IPFS can pin it, and a collection leaves it whole.
func TestCARIsClosed(t *testing.T) {
	ledger, model := exports(t)
	for _, path := range []string{ledger, model} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		roots, blocks, err := archive.ReadCAR(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		held := map[[block.DigestSize]byte]block.Block{} // IPFS keeps blocks by their hash
		for b, err := range blocks {
			if err != nil {
				t.Fatal(err)
			}
			held[b.CID.Digest()] = b
		}
		reached := map[[block.DigestSize]byte]bool{}
		for waiting := roots; len(waiting) > 0; {
			c := waiting[0]
			waiting = waiting[1:]
			b, ok := held[c.Digest()]
			if !ok {
				t.Fatalf("%s: a link to %s, which is not in the file", path, c)
			}
			if reached[c.Digest()] {
				continue
			}
			reached[c.Digest()] = true
			if c.Codec() == block.DagCBOR {
				waiting = append(waiting, links(t, b.Data)...)
			}
		}
		if len(reached) != len(held) || len(held) < 4 {
			t.Errorf("%s: %d of %d blocks are reached", path, len(reached), len(held))
		}
	}
}

// links returns the links of a block.
func links(t *testing.T, data []byte) (list []block.CID) {
	t.Helper()
	var v any
	if err := cbor.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var find func(v any)
	find = func(v any) {
		switch v := v.(type) {
		case cbor.Tag:
			c, err := block.FromBytes(v.Content.([]byte)[1:])
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, c)
		case []any:
			for _, x := range v {
				find(x)
			}
		case map[any]any:
			for _, x := range v {
				find(x)
			}
		}
	}
	find(v)
	return list
}

// IPLD's own packages read the files, and Kubo imports, pins, walks and keeps them.
func TestIPFS(t *testing.T) {
	tools := os.Getenv(ipfsEnv)
	if tools == "" {
		t.Skip("make ipfs gets IPLD's packages and Kubo, and names their folder by " + ipfsEnv)
	}
	ledger, model := exports(t)
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "IPFS_PATH="+filepath.Join(filepath.Dir(ledger), "kubo"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		return string(out)
	}
	t.Log(run("node", filepath.Join(tools, "check.mjs"), ledger, model))
	ipfs := filepath.Join(tools, "bin", "ipfs")
	if _, err := os.Stat(ipfs); err != nil {
		t.Skip("no Kubo")
	}
	run(ipfs, "init", "--profile", "test")
	t.Log(run(ipfs, "dag", "import", ledger, model))
	run(ipfs, "repo", "gc")
	for _, path := range []string{ledger, model} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		roots, blocks, err := archive.ReadCAR(f)
		if err != nil {
			t.Fatal(err)
		}
		for b, err := range blocks {
			if err != nil {
				t.Fatal(err)
			}
			run(ipfs, "--offline", "block", "stat", b.CID.String())
		}
		f.Close()
		inside := map[string]string{ledger: "/pages/0/blocks/0", model: "/layout/tensors/0/name"}[path]
		if got := run(ipfs, "--offline", "dag", "get", roots[0].String()+inside); strings.TrimSpace(got) == "" {
			t.Errorf("%s: nothing at %s", path, inside)
		}
	}
}
