package local

import (
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
)

// Config describes a mesh on this machine.
type Config struct {
	Exe    string // the weft binary
	Dir    string // the mesh's folder; each site gets a folder of its name in it
	Name   string
	Faults ledger.Faults
	Sites  []Site
	First  bool // the mesh begins under the first protocol, for programs that know no other

	// Reach is the multiaddr, without its /p2p part, at which one site's node finds another's; nil:
	// where that listens.
	Reach func(from, to int) string
}

// Site is what differs from site to site.
type Site struct {
	Name     string
	Trainer  string                // the value of config.yaml's trainer field, as YAML on one line
	Accept   string                // the value of its accept field; empty: auto
	Listen   string                // multiaddr; empty: a free port of loopback
	Announce string                // multiaddr to tell others instead; empty: none
	Start    func(*exec.Cmd) error // starts the node's process; nil: cmd.Start
	Outside  bool                  // not in the genesis: it is to be added
	Keep     int                   // models that its disk keeps; 0: as a site does that does not say
	Evaluate bool                  // its trainer measures each model before it trains from it
	Cross    bool                  // it has its part in cross-site evaluation
}

// Mesh is a mesh on this machine.
type Mesh struct {
	Genesis *ledger.Genesis
	Nodes   []*Node // in the order of Config.Sites
}

// New makes the sites' directories and founds the mesh. Nothing runs yet.
func New(c Config) (*Mesh, error) {
	listen, err := c.listen()
	if err != nil {
		return nil, err
	}
	m := &Mesh{}
	var roster []ledger.Site
	for _, s := range c.Sites {
		dir := filepath.Join(c.Dir, s.Name)
		id, err := site.Init(dir, s.Name)
		if err != nil {
			return nil, err
		}
		if !s.Outside {
			roster = append(roster, ledger.Site{ID: id, Name: s.Name})
		}
		m.Nodes = append(m.Nodes, &Node{Name: s.Name, Dir: dir, ID: id, Client: api.Dial(dir), exe: c.Exe, start: s.Start})
	}
	nonce := make([]byte, 16)
	if _, err := cryptorand.Read(nonce); err != nil {
		return nil, err
	}
	if m.Genesis, err = ledger.NewGenesis(c.Name, c.Faults, roster, nonce); err != nil {
		return nil, err
	}
	if !c.First {
		m.Genesis.Under(ledger.Newest, ledger.NewestWeft)
	}
	for i, n := range m.Nodes {
		if err := os.WriteFile(filepath.Join(n.Dir, configFileName), []byte(m.config(&c, i, listen)), 0o600); err != nil {
			return nil, err
		}
		if err := site.Join(n.Dir, m.Genesis); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// listen returns where each site listens.
func (c *Config) listen() ([]string, error) {
	ports, err := FreePorts(len(c.Sites))
	if err != nil {
		return nil, err
	}
	var all []string
	for i, s := range c.Sites {
		if s.Listen == "" {
			s.Listen = Loopback(ports[i])
		}
		all = append(all, s.Listen)
	}
	return all, nil
}

// Loopback is the multiaddr of a port of loopback.
func Loopback(port int) string { return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port) }

// config is a site's config.yaml. Every site knows where every other is, so that any two of them
// find each other whoever else is down; that one address is enough is the quickstart's test.
func (m *Mesh) config(c *Config, site int, listen []string) string {
	s := c.Sites[site]
	if s.Accept == "" {
		s.Accept = "auto"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nlisten: [%s]\naccept: %s\ntrainer: %s\n", strconv.Quote(s.Name), listen[site], s.Accept, s.Trainer)
	if s.Keep > 0 {
		fmt.Fprintf(&b, "keep_models: %d\n", s.Keep)
	}
	if s.Evaluate {
		b.WriteString("evaluate: true\n")
	}
	if s.Cross {
		b.WriteString("cross_evaluate: {measure: true, measured: true}\n")
	}
	if s.Announce != "" {
		fmt.Fprintf(&b, "announce: [%s]\n", s.Announce)
	}
	b.WriteString("bootstrap:\n")
	for i, n := range m.Nodes {
		if i == site {
			continue
		}
		addr := listen[i]
		if c.Reach != nil {
			addr = c.Reach(site, i)
		}
		fmt.Fprintf(&b, "  - %s/p2p/%s\n", addr, n.ID)
	}
	if len(m.Nodes) == 1 {
		b.WriteString("  []\n")
	}
	return b.String()
}

// Close ends all nodes.
func (m *Mesh) Close() error {
	var errs []error
	for _, n := range m.Nodes {
		errs = append(errs, n.Kill())
	}
	return errors.Join(errs...)
}

// The ports of loopback that meshes take lie below those that kernels give out to whoever asks for any (from 32768 on Linux,
// from 49152 elsewhere), so that nobody has taken one when a node is started again.
const (
	firstPort  = 20000
	portsThere = 12000
	portTries  = 1000
)

// FreePorts returns n ports of loopback that nobody listens at. They are fixed for the mesh's
// life, so that a node that is started again is where the others look for it.
func FreePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		port := firstPort + rand.IntN(portsThere)
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			defer l.Close() // only at the end: the ports must differ
			ports = append(ports, port)
		case tries > portTries:
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return ports, nil
}
