package outfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// put writes text to a path and commits it.
func put(t *testing.T, path, text string) {
	t.Helper()
	f, err := Create(path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if f.Size() != int64(len(text)) {
		t.Errorf("size %d, want %d", f.Size(), len(text))
	}
	f.Discard() // nothing any more
}

func want(t *testing.T, path, text string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("%s has %q (%v), want %q", path, got, err, text)
	}
}

func alone(t *testing.T, dir string, n int) {
	t.Helper()
	if names, err := os.ReadDir(dir); err != nil || len(names) != n {
		t.Errorf("%s has %v (%v), want %d files", dir, names, err, n)
	}
}

func TestRegularFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model")
	put(t, path, "first")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "half"); err != nil {
		t.Fatal(err)
	}
	want(t, path, "first") // until the new one is whole
	f.Discard()
	want(t, path, "first")
	put(t, path, "second")
	want(t, path, "second")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want that of the file that was there", info.Mode(), err)
	}
	alone(t, dir, 1)
}

func TestLinksAreFollowed(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link, io.Discard) // the link leads nowhere yet
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "half"); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	alone(t, dir, 1)
	put(t, link, "first")
	want(t, file, "first")
	put(t, link, "second")
	want(t, file, "second")
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	alone(t, dir, 2)
}

// failing writes half of what it is given.
type failing struct{ sink }

func (f failing) Write(p []byte) (int, error) {
	n, _ := f.sink.Write(p[:len(p)/2])
	return n, syscall.ENOSPC
}

// What could not be written whole does not take the place of what was there, even if nobody looked at the error.
func TestFailedWriteIsNotCommitted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model")
	put(t, path, "first")
	f, err := Create(path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	f.to = failing{f.to}
	if _, err := io.WriteString(f, "second"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
		t.Errorf("commit: %v", err)
	}
	want(t, path, "first")
	alone(t, dir, 1)
}

// A name of standard output is it: opened anew it would begin at the start of where output goes.
func TestNamesOfStdout(t *testing.T) {
	var b bytes.Buffer
	f, err := Create("/dev/stdout", &b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "text"); err != nil || f.Commit() != nil || b.String() != "text" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// Below /dev there may be ordinary files too.
func TestSharedMemory(t *testing.T) {
	onlyLinux(t)
	dir, err := os.MkdirTemp("/dev/shm", "weft")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model")
	put(t, path, "a long text")
	put(t, path, "short")
	want(t, path, "short")
}

// Where a link leads is up to where its folder really is.
func TestLinkInALinkedFolder(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "real", "sub"), 0o700), os.Mkdir(filepath.Join(dir, "here"), 0o700),
		os.Symlink(filepath.Join(dir, "real", "sub"), filepath.Join(dir, "here", "folder")), os.Symlink("../x", filepath.Join(dir, "real", "sub", "f")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "here", "folder", "f"), "text")
	want(t, filepath.Join(dir, "real", "x"), "text")
}

func TestPipeIsWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		read <- string(b)
	}()
	put(t, path, "through")
	if got := <-read; got != "through" {
		t.Errorf("read %q", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().IsRegular() {
		t.Errorf("the pipe is %v (%v)", info.Mode(), err)
	}
}

func TestStdout(t *testing.T) {
	var b bytes.Buffer
	f, err := Create(Stdout, &b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "text"); err != nil || f.Commit() != nil || b.String() != "text" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		dir:                            "is a directory",
		filepath.Join(dir, "no", "m"):  "no such file",
		filepath.Join(dir, "m", "sub"): "not a directory",
	} {
		if err := os.WriteFile(filepath.Join(dir, "m"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Create(path, io.Discard)
		if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	onlyLinux(t)
	f, err := Create("/dev/full", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	if _, err = io.WriteString(f, "text"); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("a full disk: %v", err)
	}
}

// onlyLinux skips a test that needs one of its devices.
func onlyLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs a device of Linux")
	}
}
