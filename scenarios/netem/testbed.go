package netem

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/scenarios/netem/netns"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// TestBed is what the nodes of a mesh stand on: where each listens, how it is started, and the links between them.
type TestBed interface {
	Place(i int, s *local.Site)    // fills in where the site listens and how its node is started
	Reach(from, to int) string     // the multiaddr at which one site finds another
	Run(ctx context.Context) error // carries what they say, until ctx ends
	Close()                        // gives everything back, if Run has returned or was never called

	SetPath(from, to int, p shape.Path) error
	SetCut(cut func(from, to int) bool) error
	Traffic(from, to int) (shape.Traffic, error)
}

// Kind says where the nodes run and who makes the links between them.
type Kind string

// The test beds, the best first.
const (
	Kernel   Kind = "kernel"   // network namespaces, whose packets the kernel's netem delays
	Userland Kind = "userland" // network namespaces, whose packets this process delays
	Loopback Kind = "loopback" // TCP streams over loopback, which this process delays
)

// Open returns the test bed that is asked for, or with no kind the best that is to be had here. Each site has
// an access link; path is the way between two of them, and seed decides what is lost on it.
func Open(kind Kind, access []shape.Access, path func(from, to int) shape.Path, seed uint64) (TestBed, Kind, error) {
	var lacks error
	for _, k := range []Kind{Kernel, Userland, Loopback} {
		if kind != "" && kind != k {
			continue
		}
		made, err := open(k, access, path, seed)
		if err == nil {
			return made, k, nil
		}
		if !errors.Is(err, netns.ErrUnavailable) {
			return nil, k, err
		}
		lacks = err
	}
	if lacks == nil {
		return nil, "", fmt.Errorf("no test bed %q: want %s, %s or %s", kind, Kernel, Userland, Loopback)
	}
	return nil, kind, fmt.Errorf("test bed %s: %w", kind, lacks)
}

func open(k Kind, access []shape.Access, path func(from, to int) shape.Path, seed uint64) (TestBed, error) {
	switch k {
	case Kernel:
		return newKernel(access, path)
	case Userland:
		return newUserland(shape.New(access, path, seed))
	}
	return newLoopback(shape.New(access, path, seed))
}
