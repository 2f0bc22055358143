package site

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil || !key.Equals(again) {
		t.Fatalf("read back another key, %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Fatalf("left behind: %v, %v", names, err)
	}

	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("others may read it: %v", err)
	}
	if _, err := LoadOrCreateKey(filepath.Join(path, "x", "key")); err == nil {
		t.Error("made a key in no folder")
	}
	if _, err := LoadOrCreateKey(t.TempDir()); !errors.Is(err, ErrKey) {
		t.Errorf("a folder: %v", err)
	}
	for name, text := range map[string]string{
		"empty": "", "garbage": "hello\n", "cut": mustFormat(t, key)[:40], "long": strings.Repeat("A", 2*maxKeyFile),
	} {
		bad := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateKey(bad); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadFile(bad); err != nil || string(left) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	keys := make([]crypto.PrivKey, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k == nil || !k.Equals(keys[0]) {
			t.Fatal("two processes have two keys")
		}
	}
}

func TestParseKey(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseKey(" " + mustFormat(t, key) + "\n"); err != nil || !got.Equals(key) {
		t.Fatal(err)
	}
	other, _, err := crypto.GenerateECDSAKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseKey(mustFormat(t, other)); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "Ed25519") {
		t.Errorf("another kind of key: %v", err)
	}
}

// A flipped bit in either half of a key is noticed, wherever it is.
func TestParseDamagedKey(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	data, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(data) {
		bad := bytes.Clone(data)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := ParseKey(base64.StdEncoding.EncodeToString(bad)); !errors.Is(err, ErrKey) {
			t.Fatalf("bit %d of %d: %v", i, 8*len(data), err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("")
	f.Add("CAESQA==")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if (err == nil) != (key != nil) || err != nil && !errors.Is(err, ErrKey) {
			t.Fatalf("%v, %v", key, err)
		}
	})
}

func mustFormat(t *testing.T, key crypto.PrivKey) string {
	t.Helper()
	text, err := FormatKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
