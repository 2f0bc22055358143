package netem

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"

	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/scenarios/netem/netns"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// mtu is the largest packet of the links: that of nearly every path in the world.
const mtu = 1500

// spaces is a network namespace for each site.
type spaces []*netns.Namespace

// newSpaces makes namespaces; its errors are netns.ErrUnavailable.
func newSpaces(sites int) (spaces, error) {
	var all spaces
	for range sites {
		n, err := netns.New()
		if err != nil {
			all.Close()
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (s spaces) Close() {
	for _, n := range s {
		n.Close()
	}
}

func (s spaces) Place(i int, to *local.Site) {
	to.Listen = s.Reach(i, i)
	to.Start = func(cmd *exec.Cmd) error { return s[i].Do(cmd.Start) }
}

func (s spaces) Reach(_, to int) string { return fmt.Sprintf("/ip4/%s/tcp/4801", address(to)) }

// address is a site's, in the network 10.0.0.0/16, which exists only in the namespaces.
func address(site int) netip.Addr {
	site++
	return netip.AddrFrom4([4]byte{10, 0, byte(site >> 8), byte(site)})
}

func network(site int) netip.Prefix { return netip.PrefixFrom(address(site), 16) }

// userland is namespaces whose packets this process carries.
type userland struct {
	spaces
	netLinks
	hub *shape.Hub
}

func newUserland(n *shape.Net) (_ TestBed, err error) {
	u := &userland{netLinks: netLinks{n}}
	if u.spaces, err = newSpaces(n.Sites()); err != nil {
		return nil, err
	}
	var ports []shape.Port
	for i, space := range u.spaces {
		dev, err := space.Tun(network(i), mtu)
		if err != nil {
			for _, p := range ports {
				_ = p.Device.Close()
			}
			u.Close()
			return nil, err
		}
		ports = append(ports, shape.Port{Addr: address(i), Device: dev})
	}
	if u.hub, err = shape.NewHub(n, ports); err != nil {
		return nil, err
	}
	return u, nil
}

func (u *userland) Run(ctx context.Context) error { return u.hub.Run(ctx) }
