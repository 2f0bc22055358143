package netem

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// nowhere is what a site behind proxies announces: no protocol to dial, so that others have no way to it but the
// proxies. One address could not be right: each of the others has a proxy of its own.
const nowhere = "/ip4/127.0.0.1"

// loopback is nodes on loopback, which know each other by the addresses of proxies.
type loopback struct {
	netLinks
	ports   []int // of the nodes
	proxies [][]*shape.Proxy
}

func newLoopback(n *shape.Net) (_ TestBed, err error) {
	l := &loopback{netLinks: netLinks{n}}
	if l.ports, err = local.FreePorts(n.Sites()); err != nil {
		return nil, err
	}
	for from := range l.ports {
		row := make([]*shape.Proxy, len(l.ports))
		l.proxies = append(l.proxies, row)
		for to, port := range l.ports {
			if to == from {
				continue
			}
			if row[to], err = n.Listen(from, to, port); err != nil {
				l.Close()
				return nil, err
			}
		}
	}
	return l, nil
}

func (l *loopback) Place(i int, s *local.Site) {
	s.Listen, s.Announce = local.Loopback(l.ports[i]), nowhere
}

func (l *loopback) Reach(from, to int) string { return local.Loopback(l.proxies[from][to].Port()) }

func (l *loopback) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	l.each(func(p *shape.Proxy) { g.Go(func() error { return p.Run(ctx) }) })
	return g.Wait()
}

func (l *loopback) Close() { l.each((*shape.Proxy).Close) }

func (l *loopback) each(f func(*shape.Proxy)) {
	for _, row := range l.proxies {
		for _, p := range row {
			if p != nil {
				f(p)
			}
		}
	}
}

// netLinks are the links of a net in this process.
type netLinks struct{ net *shape.Net }

func (l netLinks) SetPath(from, to int, p shape.Path) error {
	l.net.SetPath(from, to, p)
	return nil
}

func (l netLinks) SetCut(cut func(from, to int) bool) error {
	l.net.SetCut(cut)
	return nil
}

func (l netLinks) Traffic(from, to int) (shape.Traffic, error) { return l.net.Traffic(from, to), nil }
