package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
)

// What a site's directory holds.
const (
	ConfigFile  = "config.yaml"  // the site's own, see Config
	KeyFile     = "key"          // its private key; whoever has it is the site
	GenesisFile = "genesis.cbor" // the document that founded the mesh
	LogFile     = "log"          // votes, updates and decided entries, see wal
	StoreDir    = "store"        // models, updates and blocks
	IndexFile   = "artifacts"    // which artifact in the store is whose
	AddressFile = "addresses"    // where other sites were last
	TraceFile   = "trace.jsonl"  // what the protocol did
	StepsDir    = "steps"        // the curves of its trainings, a file for each run
	StateDir    = "state"        // a folder for each run that its trainer keeps things in
	TaskDir     = "tmp"          // folders of tasks
	ProcessDir  = "processes"    // notes of the processes that its trainer has started
	lockFile    = "lock"         // locked while a node runs; its process ID
)

// Home is a site's directory that is ready to run.
type Home struct {
	Dir     string
	Config  *config.Config
	Key     crypto.PrivKey
	ID      peer.ID
	Genesis *ledger.Genesis
}

// Path returns where something of the directory lies.
func (h *Home) Path(name string) string { return filepath.Join(h.Dir, name) }

// Init makes dir a site's directory: a new key and a config.yaml. It returns the site's peer ID, which
// is what others need to found a mesh with it. A directory that is one already gives ErrExists; one
// that an interrupted Init left behind is completed, with the same key.
func Init(dir, name string) (peer.ID, error) {
	if err := config.CheckName(name); err != nil {
		return "", err
	}
	return create(dir, config.DefaultYAML(name))
}

// InitConfig is Init with another config.yaml, which must be a valid one.
func InitConfig(dir, text string) (peer.ID, error) {
	if _, err := config.Parse(ConfigFile, []byte(text)); err != nil {
		return "", err
	}
	return create(dir, text)
}

func create(dir, text string) (peer.ID, error) {
	file := filepath.Join(dir, ConfigFile)
	if _, err := os.Lstat(file); err == nil {
		return "", hint.Add(fmt.Errorf("%s: site %w", dir, ErrExists), "its configuration is "+file)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	key, err := LoadOrCreateKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	if err := atomicfile.Write(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	return peer.IDFromPrivateKey(key)
}

// Join ties the site to a mesh: it keeps the genesis document and begins the log. A site that the genesis does not list
// follows the mesh, and takes part once a change of the roster has added it. Joining the same mesh again changes nothing.
func Join(dir string, g *ledger.Genesis) error {
	_, id, err := readSite(dir)
	if err != nil {
		return err
	}
	if err := g.Validate(); err != nil {
		return err
	}
	path := filepath.Join(dir, GenesisFile)
	if old, err := ReadGenesis(dir); err == nil {
		if old.Block().CID == g.Block().CID {
			return nil
		}
		return hint.Add(fmt.Errorf("join mesh %q (%s): the site is in mesh %q (%s): %w", g.Name, g.Block().CID.Short(), old.Name, old.Block().CID.Short(), ErrExists), "a directory is one site in one mesh: use another with --dir")
	} else if !errors.Is(err, ErrNoMesh) {
		return err
	}
	if err := beginLog(dir, g, id); err != nil {
		return err
	}
	if err := atomicfile.Write(path, g.Block().Data, 0o600); err != nil {
		return fmt.Errorf("join mesh %q: %w", g.Name, err)
	}
	return nil
}

// beginLog begins the log of a site that joins a mesh. A log that is there already is of an
// interrupted Join, or of the same mesh before someone removed the genesis: it stays, and is checked
// when the node opens it. A key that has been up without its log being here may have voted.
func beginLog(dir string, g *ledger.Genesis, id peer.ID) error {
	path := filepath.Join(dir, LogFile)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	_, err := os.Lstat(filepath.Join(dir, StoreDir))
	return wal.Create(path, round.Born{Mesh: g.Block().CID, Site: id, Lost: err == nil})
}

// Open reads a site's directory that belongs to a mesh. Its errors say what is missing and what to
// do about it.
func Open(dir string) (*Home, error) {
	key, id, err := readSite(dir)
	if err != nil {
		return nil, err
	}
	h := &Home{Dir: dir, Key: key, ID: id}
	if h.Genesis, err = ReadGenesis(dir); err != nil {
		return nil, err
	}
	if h.Config, err = config.Read(h.Path(ConfigFile)); err != nil {
		return nil, err
	}
	return h, nil
}

// Identify returns whose directory it is: the site's peer ID, and the name that its configuration gives it.
func Identify(dir string) (peer.ID, string, error) {
	_, id, err := readSite(dir)
	if err != nil {
		return "", "", err
	}
	c, err := config.Read(filepath.Join(dir, ConfigFile))
	if err != nil {
		return "", "", err
	}
	return id, c.Name, nil
}

// readSite returns the key of a directory that Init made.
func readSite(dir string) (crypto.PrivKey, peer.ID, error) {
	for _, name := range []string{ConfigFile, KeyFile} {
		_, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", hint.Add(fmt.Errorf("%s: %w: no %s", dir, ErrNotInitialised, name), missing(dir, name))
		}
		if err != nil {
			return nil, "", err
		}
	}
	key, err := LoadOrCreateKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, "", err
	}
	id, err := peer.IDFromPrivateKey(key)
	return key, id, err
}

// missing says what to do about a file without which a directory is no site.
func missing(dir, name string) string {
	if _, err := os.Stat(filepath.Join(dir, LogFile)); name == KeyFile && err == nil {
		return "put the key back from its backup; if there is none, the site needs a new key, in a new directory (weft init --dir), and weft roster replace at other sites"
	}
	return "run weft init, or name the directory with --dir"
}

// ReadGenesis returns the mesh of a site's directory, or ErrNoMesh.
func ReadGenesis(dir string) (*ledger.Genesis, error) {
	path := filepath.Join(dir, GenesisFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Add(fmt.Errorf("%s: %w", dir, ErrNoMesh), "found one with weft mesh create, or join one with weft mesh join")
	}
	if err != nil {
		return nil, err
	}
	g, err := ledger.DecodeGenesis(data)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %w: %w", path, ErrGenesis, err), "join again with the mesh file that the site was given: remove this file, then weft mesh join")
	}
	return g, nil
}

// Lock keeps a second node from running in the directory; closing what it returns ends the lock, and
// so does the end of the process.
func (h *Home) Lock() (io.Closer, error) {
	f, err := os.OpenFile(h.Path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 32)) // only to tell the user
		return nil, hint.Add(fmt.Errorf("%s: %w (process %s)", h.Dir, ErrInUse, strings.TrimSpace(string(pid))), "weft status asks it how it is; each site needs a directory of its own (--dir)")
	}
	err = errors.Join(f.Truncate(0), writeAt(f, fmt.Sprintln(os.Getpid())))
	if err != nil && !errors.Is(err, syscall.ENOSPC) { // on a full disk it is locked without saying by whom
		return nil, errors.Join(fmt.Errorf("lock: %w", err), f.Close())
	}
	return f, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
