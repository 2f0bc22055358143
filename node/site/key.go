package site

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"

	"github.com/weft-mesh/weft/atomicfile"
)

const maxKeyFile = 4 << 10 // bytes

// FormatKey writes a site's private key as one line: base64 of libp2p's encoding (libp2p specs, peer-ids).
func FormatKey(key crypto.PrivKey) (string, error) {
	b, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b) + "\n", nil
}

// ParseKey reads what FormatKey wrote. It returns ErrKey.
func ParseKey(text string) (crypto.PrivKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: not one line of base64", ErrKey)
	}
	key, err := crypto.UnmarshalPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: it is cut off or damaged", ErrKey)
	}
	if key.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("%w: it is %s, want Ed25519", ErrKey, key.Type())
	}
	raw, err := key.Raw() // the seed, and the public key that follows from it
	if err != nil || len(raw) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize]), raw) {
		return nil, fmt.Errorf("%w: its halves do not match: it is damaged", ErrKey)
	}
	return key, nil
}

// LoadOrCreateKey reads the site's private key from a file, or makes one where there is none. The
// folder must exist. Of several processes that start at once, one makes the key and all return it.
// It refuses a file that others may read, and ErrKey is in the error for one that holds no key.
func LoadOrCreateKey(path string) (crypto.PrivKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create key: %w", err)
	}
	return loadKey(path)
}

func loadKey(path string) (crypto.PrivKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read key %s: %w: not a regular file", path, ErrKey)
	}
	// Windows keeps access lists instead, which the mode does not show.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("read key %s: others may read it (mode %04o); if nobody has, run: chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w; restore it from a backup: with another key this site is a stranger to its mesh", path, err)
	}
	return key, nil
}

// createKey writes a new key under another name and links it into place, which fails with
// fs.ErrExist rather than overwrite a key, and leaves no half-written one behind.
func createKey(path string) (err error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	text, err := FormatKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
