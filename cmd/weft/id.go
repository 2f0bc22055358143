package main

import (
	"context"
	"slices"
	"strings"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/node"
)

// identity is `weft id`.
type identity struct{ address bool }

func newID(e *env) *cobra.Command {
	c := &identity{}
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Print this site's name and peer ID, or its address",
		Long: `Print NAME=PEERID as ` + "`weft mesh create --site`" + ` takes it; with --address the full
addresses that ` + "`weft up --bootstrap`" + ` takes, one a line: what config.yaml announces, else where
the node listens. Addresses that only this machine knows are left out if there are others.`,
		Example: `  weft id > hospital-a.id
  weft id --address > hospital-a.addr`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.address, "address", false, "print the full addresses instead")
	return cmd
}

func (c *identity) run(ctx context.Context, e *env, _ []string) error {
	id, config, err := readSite(e.dir)
	if err != nil {
		return err
	}
	if !c.address {
		e.out.Printf("%s=%s\n", config.Name, id)
		return nil
	}
	addrs, err := addresses(ctx, e.client(), config)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		e.out.Printf("%s/p2p/%s\n", addr, id)
	}
	return nil
}

// addresses returns where other machines reach this site: at what config.yaml announces, else at what the node listens, or
// would listen if it ran. Addresses that only this machine knows are left out if there are others.
func addresses(ctx context.Context, running *node.Client, c *node.Config) ([]multiaddr.Multiaddr, error) {
	list := slices.Clone(c.Announce)
	if s, err := running.Status(ctx); err == nil && len(list) == 0 {
		for _, full := range s.Addrs {
			at, _, _ := strings.Cut(full, "/p2p/")
			list = append(list, at)
		}
	}
	if len(list) == 0 {
		list = c.Listen
	}
	var addrs []multiaddr.Multiaddr
	for _, text := range list {
		m, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, err
		}
		if port, err := m.ValueForProtocol(multiaddr.P_TCP); err == nil && port == "0" {
			return nil, fail(nil, "start the node first, or set a port under listen in config.yaml", "%s: the system chooses the port when the node starts", text)
		}
		addrs = append(addrs, m)
	}
	own, err := manet.InterfaceMultiaddrs()
	if err != nil {
		return nil, err
	}
	if addrs, err = manet.ResolveUnspecifiedAddresses(addrs, own); err != nil {
		return nil, err
	}
	far := slices.DeleteFunc(slices.Clone(addrs), func(m multiaddr.Multiaddr) bool { return manet.IsIPLoopback(m) || manet.IsIP6LinkLocal(m) })
	if len(far) > 0 {
		return far, nil
	}
	return addrs, nil
}
