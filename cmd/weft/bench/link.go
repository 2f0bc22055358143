package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

// Link is what lies between two ends.
type Link struct {
	RoundTrip time.Duration
	Bandwidth int64   // bits a second, 0: no limit
	Loss      float64 // of packets
}

// ParseLink reads a link such as 100ms,200Mbit,0.5%: how long a packet takes there and back, bits a second, and how many packets in
// a hundred are lost. Each may be left out.
func ParseLink(s string) (l Link, err error) {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		kind := "round trip"
		switch {
		case strings.HasSuffix(part, "%"):
			kind = "loss"
			var percent float64
			percent, err = strconv.ParseFloat(strings.TrimSuffix(part, "%"), 64)
			if l.Loss = percent / 100; err == nil && !(l.Loss >= 0 && l.Loss <= 0.5) {
				err = fmt.Errorf("want 0%% to 50%%")
			}
		case strings.HasSuffix(part, "bit"):
			kind = "rate"
			l.Bandwidth, err = parseBits(strings.TrimSuffix(part, "bit"))
		default:
			if l.RoundTrip, err = time.ParseDuration(part); err == nil && (l.RoundTrip < 0 || l.RoundTrip > 10*time.Second) {
				err = fmt.Errorf("want 0s to 10s")
			}
		}
		if err == nil && seen[kind] {
			err = fmt.Errorf("a second %s", kind)
		}
		if seen[kind] = true; err != nil {
			return Link{}, fmt.Errorf("%.20q in link %.60q: %w; write a link as 100ms,200Mbit,0.5%%: round trip, bits a second, loss", part, s, err)
		}
	}
	return l, nil
}

// parseBits reads a number of bits with k, M or G behind it.
func parseBits(s string) (int64, error) {
	unit := 1.0
	for letter, factor := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9} {
		if strings.HasSuffix(s, letter) {
			s, unit = strings.TrimSuffix(s, letter), factor
			break
		}
	}
	x, err := strconv.ParseFloat(s, 64)
	if err == nil && !(x*unit >= 1e3 && x*unit <= 1e12) {
		err = fmt.Errorf("want 1kbit to 1000Gbit")
	}
	return int64(x * unit), err
}

// String is what ParseLink reads.
func (l Link) String() string {
	parts := []string{l.RoundTrip.String()}
	if l.Bandwidth > 0 {
		parts = append(parts, strconv.FormatFloat(float64(l.Bandwidth)/1e6, 'f', -1, 64)+"Mbit")
	}
	if l.Loss > 0 {
		parts = append(parts, strconv.FormatFloat(100*l.Loss, 'f', -1, 64)+"%")
	}
	return strings.Join(parts, ",")
}

// emulated is a link in this process, over loopback: the streams of TCP pass through it. It may be none.
type emulated struct {
	net  *shape.Net
	ctx  context.Context
	fail func(error)
}

// emulate returns the link, which carries streams until ctx ends.
func (l *Link) emulate(ctx context.Context, fail func(error)) *emulated {
	if l == nil {
		return &emulated{}
	}
	path := shape.Path{Latency: l.RoundTrip / 2, Loss: l.Loss, Bandwidth: l.Bandwidth / 8}
	return &emulated{shape.New(make([]shape.Access, 2), func(int, int) shape.Path { return path }, 1), ctx, fail}
}

// to returns the port of loopback at which a port is found from behind the link.
func (e *emulated) to(port int) (int, error) {
	if e.net == nil {
		return port, nil
	}
	p, err := e.net.Listen(1, 0, port)
	if err != nil {
		return 0, err
	}
	go func() {
		if err := p.Run(e.ctx); err != nil {
			e.fail(err)
		}
	}()
	return p.Port(), nil
}
