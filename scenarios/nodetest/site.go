package nodetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/yamlfile"
)

// Site is a site of a mesh.
type Site struct {
	Name string
	ID   peer.ID
	Dir  string
	Node *node.Node // nil: down

	mesh   *Mesh
	index  int
	cancel context.CancelFunc
	ended  chan error
}

// String returns the site's name.
func (s *Site) String() string { return s.Name }

// keep names the variable of the environment which says that a test that fails leaves what it has.
const keep = "WEFT_VNODE_KEEP"

// Start brings the site up. It knows where two others are, and whom it has met before. Of its config.yaml
// what configure and Config do not set applies.
func (s *Site) Start() {
	t, c := s.mesh.t, &s.mesh.cfg
	t.Helper()
	h, err := site.Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	s.configure(h.Config)
	line := Line{Bits: 100e6}
	if c.Line != nil {
		line = c.Line(s.index)
	}
	journal, err := os.OpenFile(s.Dir+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	opt := node.Options{Log: logger(journal), Network: s.mesh.Net.join(s.index, line), NoAPI: true, Shard: c.Shard}
	if c.Trainer != nil {
		opt.Trainer = c.Trainer(s.index)
	}
	n, err := node.New(h, opt)
	if err != nil {
		t.Fatal(err)
	}
	s.mesh.Net.Unplug(s.index, false)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(n.Run(ctx), journal.Close()) }()
	select {
	case <-n.Ready():
		s.Node, s.cancel, s.ended = n, cancel, ended
	case err := <-ended:
		cancel()
		t.Fatalf("site %s does not start: %v", s, err)
	}
}

func (s *Site) configure(c *config.Config) {
	m := s.mesh
	c.Listen = []string{m.Net.addr(s.index)}
	for _, o := range m.Sites[:2] {
		c.Bootstrap = append(c.Bootstrap, fmt.Sprintf("%s/p2p/%s", m.Net.addr(o.index), o.ID))
	}
	c.Accept = config.Accept{Policy: config.AcceptAuto}
	var trainer train.SyntheticSettings
	trainer.Synthetic.Bytes, trainer.Synthetic.Seed = yamlfile.Size(m.cfg.Model), yamlfile.Count(m.cfg.Seed)
	trainer.Synthetic.Varies = true // what a restart trains again is not what it was
	if m.cfg.Train != nil {
		trainer.Synthetic.Time = yamlfile.Duration(m.cfg.Train(s.index))
	}
	c.Trainer = config.Trainer{Settings: &trainer}
}

// logger writes warnings, or all if it is likely to be read.
func logger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if os.Getenv(keep) != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Stop takes the site down as Ctrl-C does: it says goodbye.
func (s *Site) Stop() {
	s.mesh.t.Helper()
	if err := s.end(); err != nil {
		s.mesh.t.Errorf("site %s ended with %v", s, err)
	}
}

// Kill takes the site down as a power cut does: nobody hears of it, and its disk stays as it is at this moment.
func (s *Site) Kill() {
	s.mesh.t.Helper()
	s.mesh.Net.Unplug(s.index, true)
	synctest.Wait() // no write is half done; a write that was cut short is the log's own tests' matter
	left := s.Dir + ".left"
	err := copyDir(left, s.Dir)
	err = errors.Join(err, s.end())
	if err = errors.Join(err, os.RemoveAll(s.Dir), os.Rename(left, s.Dir)); err != nil {
		s.mesh.t.Fatalf("site %s killed: %v", s, err)
	}
}

// Snapshot copies the site's directory as it is at this moment, and returns where the copy is.
func (s *Site) Snapshot() string {
	s.mesh.t.Helper()
	synctest.Wait()
	at := s.Dir + ".snapshot"
	if err := copyDir(at, s.Dir); err != nil {
		s.mesh.t.Fatalf("snapshot of site %s: %v", s, err)
	}
	return at
}

// PutBack replaces the directory of a site that is down by a snapshot.
func (s *Site) PutBack(snapshot string) {
	s.mesh.t.Helper()
	if err := errors.Join(os.RemoveAll(s.Dir), os.Rename(snapshot, s.Dir)); err != nil {
		s.mesh.t.Fatalf("site %s put back: %v", s, err)
	}
}

// end ends the node and waits for it.
func (s *Site) end() error {
	if s.Node == nil {
		return nil
	}
	s.cancel()
	s.Node = nil
	return <-s.ended
}

// copyDir copies a folder with the files' modes.
func copyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		at := filepath.Join(to, path[len(from):])
		if d.IsDir() {
			return os.Mkdir(at, info.Mode())
		}
		return copyFile(at, path, info.Mode())
	})
}

func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
