package real

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderPrefix is what the folders of runs are named by, once they are locked; newPrefix until then.
const (
	folderPrefix = "weft-real-"
	newPrefix    = "weft-new-"
)

// lockName is the file that a run keeps locked in its folder, and a node in its directory, with its process ID in it.
const lockName = "lock"

// folder is where a run has its sites' directories.
type folder struct {
	dir  string
	lock *os.File
}

// newFolder makes a folder, after it has removed what is left of runs whose process is gone.
func newFolder() (*folder, error) {
	if err := clear(os.TempDir()); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", newPrefix)
	if err != nil {
		return nil, err
	}
	held, err := lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// Only now may another run that clears up see it.
	f := &folder{dir: filepath.Join(filepath.Dir(dir), folderPrefix+strings.TrimPrefix(filepath.Base(dir), newPrefix)), lock: held}
	if err := os.Rename(dir, f.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir), held.Close())
	}
	return f, nil
}

func (f *folder) remove() error { return errors.Join(os.RemoveAll(f.dir), f.lock.Close()) }

// clear removes folders of this user's runs that nobody has locked, and ends the nodes that still run in them.
func clear(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !own(dir) {
			continue
		}
		held, err := lock(filepath.Join(dir, lockName))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		if err = errors.Join(endNodes(dir), os.RemoveAll(dir), held.Close()); err != nil {
			return fmt.Errorf("remove what an earlier run has left in %s: %w", dir, err)
		}
	}
	return nil
}

func own(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// endNodes kills the nodes whose lock says that they run in a folder. Where the kernel ends a process with its
// parent there are none.
func endNodes(dir string) (err error) {
	locks, errGlob := filepath.Glob(filepath.Join(dir, "*", lockName))
	for _, path := range locks {
		f, errLock := lock(path)
		if errLock == nil {
			err = errors.Join(err, f.Close())
			continue
		}
		if !errors.Is(errLock, errLocked) {
			err = errors.Join(err, errLock)
			continue
		}
		data, errRead := os.ReadFile(path)
		pid, errPid := strconv.Atoi(strings.TrimSpace(string(data)))
		if errRead != nil || errPid != nil || pid <= 1 {
			err = errors.Join(err, fmt.Errorf("%s is locked by nobody knows whom", path))
			continue
		}
		if errKill := syscall.Kill(-pid, syscall.SIGKILL); errKill != nil && !errors.Is(errKill, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("end the node of %s: %w", path, errKill))
		}
	}
	return errors.Join(err, errGlob)
}

var errLocked = errors.New("is locked")

// lock takes a file's lock, which ends with the process.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%s %w", path, errLocked)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
