package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Tun makes a point of entry for IP packets: an interface that has the prefix's address and leads to the rest of
// the prefix. What the namespace sends there is read from the device, one packet a read; what is written to it
// arrives. Closing it removes the interface.
func (n *Namespace) Tun(prefix netip.Prefix, mtu int) (dev *os.File, err error) {
	err = n.Do(func() error {
		dev, err = openTun()
		if err != nil {
			return err
		}
		if err := configure(tunName, prefix, mtu); err != nil {
			return errors.Join(err, dev.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return dev, nil
}

const (
	tunPath = "/dev/net/tun"
	tunName = "mesh"
)

func openTun() (*os.File, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tunPath, Err: err}
	}
	req, err := unix.NewIfreq(tunName)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = os.NewSyscallError("ioctl TUNSETIFF", unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	// Only now: what Go polls must be attached.
	return os.NewFile(uintptr(fd), tunPath), nil
}

// configure gives an interface of the calling thread's namespace an IPv4 address and starts it.
func configure(name string, prefix netip.Prefix, mtu int) error {
	mask := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	mask = netip.PrefixFrom(mask, prefix.Bits()).Masked().Addr()
	return control(name, func(fd int, req *unix.Ifreq) error {
		for _, set := range []struct {
			name string
			call uint
			addr netip.Addr
		}{{"SIOCSIFADDR", unix.SIOCSIFADDR, prefix.Addr()}, {"SIOCSIFNETMASK", unix.SIOCSIFNETMASK, mask}} {
			if err := req.SetInet4Addr(set.addr.AsSlice()); err != nil {
				return err
			}
			if err := unix.IoctlIfreq(fd, set.call, req); err != nil {
				return os.NewSyscallError("ioctl "+set.name, err)
			}
		}
		req.SetUint32(uint32(mtu))
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, req); err != nil {
			return os.NewSyscallError("ioctl SIOCSIFMTU", err)
		}
		return start(fd, req)
	})
}

// up starts an interface of the calling thread's namespace.
func up(name string) error { return control(name, start) }

func start(fd int, req *unix.Ifreq) error {
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
}

func control(name string, f func(fd int, req *unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		err = f(fd, req)
	}
	return errors.Join(err, unix.Close(fd))
}
