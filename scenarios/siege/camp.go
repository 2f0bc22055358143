package siege

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/scenarios/local"
)

// Honest is how many honest sites there are; the besieger is one more, as many as they withstand.
const Honest = 4

// Camp is a mesh of honest sites in processes, and the besieger's place in it, which takes no part in the run.
type Camp struct {
	mesh     *local.Mesh
	run      block.CID
	besieger *Besieger
}

// Found starts the honest sites in an empty folder, with the weft binary exe, and the besieger, and has a run go on for ever.
func Found(ctx context.Context, exe, dir string, training time.Duration) (_ *Camp, err error) {
	config := local.Config{Exe: exe, Dir: dir, Name: "siege", Faults: ledger.Byzantine}
	for i := range Honest + 1 {
		config.Sites = append(config.Sites, local.Site{Name: fmt.Sprintf("site-%d", i+1), Trainer: fmt.Sprintf("{synthetic: {bytes: 100kB, time: %s}}", training)})
	}
	c := &Camp{}
	if c.mesh, err = local.New(config); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for _, n := range c.honest() {
		if err := n.Start(); err != nil {
			return nil, err
		}
	}
	var targets []peer.AddrInfo
	for _, n := range c.honest() {
		if err := n.Ready(ctx); err != nil {
			return nil, err
		}
		st, err := n.Client.Status(ctx)
		if err != nil {
			return nil, err
		}
		info, err := peer.AddrInfoFromString(st.Addrs[0])
		if err != nil {
			return nil, err
		}
		targets = append(targets, *info)
	}
	reply, err := c.mesh.Nodes[0].Client.Start(ctx, api.RunRequest{Spec: ledger.RunSpec{Name: "siege", Rounds: ledger.MaxRounds}, Init: true})
	if err != nil {
		return nil, err
	}
	c.run = reply.Run
	home, err := site.Open(c.mesh.Nodes[Honest].Dir)
	if err != nil {
		return nil, err
	}
	if c.besieger, err = NewBesieger(ctx, home.Key, c.mesh.Genesis.Block().CID, targets); err != nil {
		return nil, err
	}
	return c, c.settle(ctx)
}

func (c *Camp) honest() []*local.Node { return c.mesh.Nodes[:Honest] }

// Close ends all processes.
func (c *Camp) Close() error {
	var err error
	if c.besieger != nil {
		err = c.besieger.Close()
	}
	return errors.Join(err, c.mesh.Close())
}

// settle has the besieger decline the run, so that nobody waits for it, and waits until rounds go by.
func (c *Camp) settle(ctx context.Context) error {
	for start := time.Now(); time.Since(start) < time.Minute && ctx.Err() == nil; time.Sleep(500 * time.Millisecond) {
		c.besieger.Connect(ctx)
		c.besieger.Say(ctx, c.besieger.Sign(ledger.KindConsent, &ledger.Consent{Run: c.run, Serial: 1}))
		if r, _, err := c.standing(ctx); err != nil {
			return err
		} else if r >= 3 {
			return nil
		}
	}
	return errors.New("no round is done in a minute, before any attack")
}

// standing returns the round that the slowest honest site is in, and the height of its ledger.
func (c *Camp) standing(ctx context.Context) (least, height uint64, err error) {
	for i, n := range c.honest() {
		if err := n.Check(); err != nil {
			return 0, 0, err
		}
		st, err := n.Client.Status(ctx)
		if err != nil {
			return 0, 0, fmt.Errorf("ask %s: %w", n.Name, err)
		}
		var r uint64
		for k := range st.Runs {
			if st.Runs[k].ID == c.run {
				r = st.Runs[k].Round
			}
		}
		if i == 0 || r < least {
			least, height = r, st.Height
		}
	}
	return least, height, nil
}

// memory returns the most that an honest site's process has taken, in bytes.
func (c *Camp) memory(ctx context.Context) (most uint64) {
	for _, n := range c.honest() {
		if st, err := n.Client.Status(ctx); err == nil {
			most = max(most, st.Memory)
		}
	}
	return most
}

var banLine = regexp.MustCompile(`peer banned"? .*?peer=(\w+)`)

// bans returns how many honest sites have banned the besieger, and which have banned each other: none should.
func (c *Camp) bans() (besieger int, honest []string) {
	for _, n := range c.honest() {
		text, err := os.ReadFile(filepath.Join(n.Dir, "node.log"))
		if err != nil {
			continue
		}
		of := map[string]bool{}
		for _, m := range banLine.FindAllStringSubmatch(string(text), -1) {
			of[m[1]] = true
		}
		for id := range of {
			if strings.HasSuffix(id, c.besieger.ID.String()) {
				besieger++
			} else {
				honest = append(honest, n.Name+" bans "+id)
			}
		}
	}
	return besieger, honest
}

// processor returns how much time of a processor this process has had: the besieger's, as it does nothing else.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
