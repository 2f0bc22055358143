package scenarios

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/scenarios/sim"
)

// degree is what the amount of a fault says: how it is read, and how it may be written.
type degree struct {
	read func(text string) (value float64, ok bool)
	want string
}

// degrees are of the faults that need an amount; the others have none.
var degrees = map[sim.FaultKind]degree{
	sim.Loss: {part, wantPart}, sim.Duplicate: {part, wantPart},
	sim.Delay: {seconds, wantTime}, sim.SlowDisk: {seconds, wantTime}, sim.Jump: {seconds, wantTime},
	sim.Slow: {times, "a factor from 1 to 1000, such as 4 for four times as long"},
}

const (
	wantPart = "a part of the messages, more than 0 and at most all, such as 20% or 0.2"
	wantTime = "a time of more than 0, such as 300ms"
)

func part(text string) (float64, bool) {
	var p Part
	err := p.UnmarshalText([]byte(text))
	return float64(p), err == nil && p > 0
}

func seconds(text string) (float64, bool) {
	var d Duration
	err := d.UnmarshalText([]byte(text))
	return time.Duration(d).Seconds(), err == nil && d > 0
}

// times reads by how much a site is slowed down: less than once would make it faster, which is a site's speed.
func times(text string) (float64, bool) {
	var f Factor
	err := f.UnmarshalText([]byte(text))
	return float64(f), err == nil && f >= 1
}

// value returns how bad a fault is, as the simulator counts it; 0 if it has no degree.
func (h *Event) value() (float64, error) {
	d, has := degrees[h.Fault]
	switch {
	case !has && h.Amount != "":
		return 0, fmt.Errorf("%s has no amount", h.Fault)
	case !has:
		return 0, nil
	case h.Amount == "":
		return 0, fmt.Errorf("%s needs an amount: %s", h.Fault, d.want)
	}
	v, ok := d.read(string(h.Amount))
	if !ok {
		return 0, fmt.Errorf("%.40q, want %s", h.Amount, d.want)
	}
	return v, nil
}
