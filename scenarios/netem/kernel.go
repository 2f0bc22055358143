package netem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-mesh/weft/scenarios/netem/netns"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// kernel is namespaces on one Ethernet, whose packets the kernel delays and drops: at each site's device an htb for
// the uplink with a netem for the path to each of the others, and a tbf at the other end of its cable for the downlink.
type kernel struct {
	spaces
	middle spaces // of one: the bridge's
	access []shape.Access
	paths  [][]shape.Path
	cut    [][]bool
}

const (
	device     = "mesh" // at a site
	noLimit    = 1e10   // bits a second
	linkQueue  = 200 * time.Millisecond
	fullPacket = mtu + 14 // with its Ethernet header
)

// newKernel returns the test bed, or netns.ErrUnavailable where the kernel, its tools or the rights to them lack.
func newKernel(access []shape.Access, between func(from, to int) shape.Path) (_ TestBed, err error) {
	k := &kernel{access: access}
	for from := range access {
		row := make([]shape.Path, len(access))
		for to := range row {
			row[to] = between(from, to)
		}
		k.paths, k.cut = append(k.paths, row), append(k.cut, make([]bool, len(access)))
	}
	if k.spaces, err = newSpaces(len(access)); err != nil {
		return nil, err
	}
	if k.middle, err = newSpaces(1); err != nil {
		k.spaces.Close()
		return nil, err
	}
	if err := k.wire(); err != nil {
		k.Close()
		return nil, fmt.Errorf("%w: %w", netns.ErrUnavailable, err)
	}
	return k, nil
}

func (k *kernel) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (k *kernel) Close() {
	k.spaces.Close()
	k.middle.Close()
}

// wire lays the cables and puts the links' devices on them.
func (k *kernel) wire() error {
	if _, err := tool(k.middle[0], "ip", "link add bridge type bridge\nlink set bridge up\n"); err != nil {
		return err
	}
	for i, n := range k.spaces {
		f, err := n.Open()
		if err != nil {
			return err
		}
		cable := fmt.Sprintf("site%d", i)
		// One segment a packet: a device that cuts up large ones would lose them whole.
		_, err = tool(k.middle[0], "ip", fmt.Sprintf(
			"link add %s type veth peer name %s netns /proc/%d/fd/%d\nlink set %s master bridge gso_max_segs 1\nlink set %s up\n",
			cable, device, os.Getpid(), f.Fd(), cable, cable))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if down := k.access[i].Down; down > 0 {
			if _, err := tool(k.middle[0], "tc", fmt.Sprintf("qdisc add dev %s root tbf rate %dbit burst %d latency %s\n",
				cable, down*8, burst(down), microseconds(linkQueue))); err != nil {
				return err
			}
		}
		if _, err := tool(n, "ip", fmt.Sprintf("addr add %s dev %s\nlink set %s gso_max_segs 1\nlink set %s up\n", network(i), device, device, device)); err != nil {
			return err
		}
		if _, err := tool(n, "tc", k.uplink(i)); err != nil {
			return err
		}
	}
	return nil
}

// uplink are the commands that make a site's way out.
func (k *kernel) uplink(from int) string {
	var b strings.Builder
	rate := k.access[from].Up * 8
	if rate == 0 {
		rate = noLimit
	}
	fmt.Fprintf(&b, "qdisc add dev %s root handle 1: htb\n", device)
	fmt.Fprintf(&b, "class add dev %s parent 1: classid 1:1 htb rate %dbit burst %d cburst %d quantum %d\n", device, rate, burst(rate/8), burst(rate/8), fullPacket)
	for to := range k.paths {
		if to == from {
			continue
		}
		fmt.Fprintf(&b, "class add dev %s parent 1:1 classid 1:%x htb rate %dbit ceil %dbit burst %d cburst %d quantum %d\n",
			device, minor(to), max(rate/int64(len(k.paths)), 8), rate, burst(rate/8), burst(rate/8), fullPacket)
		fmt.Fprintf(&b, "qdisc add %s\n", k.netem(from, to))
		fmt.Fprintf(&b, "filter add dev %s parent 1: protocol ip u32 match ip dst %s/32 flowid 1:%x\n", device, address(to), minor(to))
	}
	return b.String()
}

// minor is the number of the class and the netem for what goes to a site.
func minor(to int) int { return 0x10 + to }

// netem describes the path to another site. A rate is always given: it keeps what jitter delays in order.
func (k *kernel) netem(from, to int) string {
	p := k.paths[from][to]
	rate := p.Bandwidth * 8
	if rate == 0 {
		rate = noLimit
	}
	narrow := rate
	if up := k.access[from].Up * 8; up > 0 {
		narrow = min(narrow, up)
	}
	limit := max(64, int64(float64(narrow/8)*(p.Latency+p.Jitter+linkQueue).Seconds()/fullPacket))
	loss := 100 * p.Loss
	if k.cut[from][to] {
		loss = 100
	}
	return fmt.Sprintf("dev %s parent 1:%x handle %x: netem limit %d delay %s %s loss %.4f%% duplicate %.4f%% rate %dbit",
		device, minor(to), minor(to), min(limit, 1e6), microseconds(p.Latency), microseconds(p.Jitter), loss, 100*p.Duplicate, rate)
}

func microseconds(d time.Duration) string { return fmt.Sprintf("%dus", d.Microseconds()) }

// burst is the bytes that a link may run ahead: some packets, or a few milliseconds.
func burst(rate int64) int64 { return max(4*fullPacket, rate/250) }

func (k *kernel) SetPath(from, to int, p shape.Path) error {
	k.paths[from][to] = p
	_, err := tool(k.spaces[from], "tc", "qdisc change "+k.netem(from, to)+"\n")
	return err
}

func (k *kernel) SetCut(cut func(from, to int) bool) error {
	for from := range k.cut {
		var changes strings.Builder
		for to, was := range k.cut[from] {
			if k.cut[from][to] = to != from && cut(from, to); k.cut[from][to] != was {
				fmt.Fprintf(&changes, "qdisc change %s\n", k.netem(from, to))
			}
		}
		if changes.Len() == 0 {
			continue
		}
		if _, err := tool(k.spaces[from], "tc", changes.String()); err != nil {
			return err
		}
	}
	return nil
}

// traffic asks the kernel what a netem has counted.
func (k *kernel) Traffic(from, to int) (shape.Traffic, error) {
	out, err := command(k.spaces[from], nil, "tc", "-s", "-json", "qdisc", "show", "dev", device)
	if err != nil {
		return shape.Traffic{}, err
	}
	var all []struct {
		Handle  string `json:"handle"`
		Bytes   int64  `json:"bytes"`
		Packets int64  `json:"packets"`
		Drops   int64  `json:"drops"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return shape.Traffic{}, fmt.Errorf("tc: %w", err)
	}
	for _, q := range all {
		if q.Handle == fmt.Sprintf("%x:", minor(to)) {
			return shape.Traffic{Bytes: q.Bytes, Packets: q.Packets, Lost: q.Drops}, nil
		}
	}
	return shape.Traffic{}, fmt.Errorf("tc: no netem from site %d to %d", from, to)
}

// tool has ip or tc do commands in a namespace, one a line.
func tool(n *netns.Namespace, name, commands string) ([]byte, error) {
	return command(n, strings.NewReader(commands), name, "-batch", "-")
}

func command(n *netns.Namespace, in *strings.Reader, name string, args ...string) ([]byte, error) {
	path, err := exec.LookPath(name)
	if err != nil { // not everybody's PATH has it
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", name)); err != nil {
			return nil, fmt.Errorf("%s is not installed", name)
		}
	}
	cmd := exec.Command(path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if in != nil {
		cmd.Stdin = in
	}
	if err := n.Do(cmd.Run); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}
