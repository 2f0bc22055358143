//go:build !linux

package netns

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
)

// Namespace is a network namespace; there is none on this system.
type Namespace struct{}

// New returns ErrUnavailable.
func New() (*Namespace, error) {
	return nil, fmt.Errorf("%w: %s has none", ErrUnavailable, runtime.GOOS)
}

// Do is never called: there is no Namespace.
func (*Namespace) Do(f func() error) error { return f() }

// Open returns ErrUnavailable.
func (*Namespace) Open() (*os.File, error) { return nil, ErrUnavailable }

// Close does nothing.
func (*Namespace) Close() {}

// Tun returns ErrUnavailable.
func (*Namespace) Tun(netip.Prefix, int) (*os.File, error) { return nil, ErrUnavailable }
