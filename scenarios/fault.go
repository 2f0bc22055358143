package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weft-mesh/weft/scenarios/sim"
)

// faultRule says how a kind of fault may be written on the timeline.
type faultRule struct {
	amount *degree // nil: it has none
	sites  reach
}

// degree is what the amount of a fault says: how it is read, and how it may be written.
type degree struct {
	read func(text string) (value float64, ok bool)
	want string
}

// reach says whether a fault names the sites that it is about.
type reach int

const (
	anySites reach = iota // none: all
	oneSide               // those on one side of what it cuts
	noSites               // it is about all messages
)

var (
	ofMessages = &degree{part, "a part of the messages, more than 0 and at most all, such as 20% or 0.2"}
	ofTime     = &degree{seconds, "a time of more than 0, such as 300ms"}
	ofSpeed    = &degree{times, "a factor from 1 to 1000, such as 4 for four times as long"}
)

var faultRules = map[sim.FaultKind]faultRule{
	sim.Crash:     {},
	sim.LoseDisk:  {},
	sim.Rollback:  {amount: ofTime},
	sim.Partition: {sites: oneSide},
	sim.Cut:       {sites: oneSide},
	sim.Loss:      {ofMessages, noSites},
	sim.Duplicate: {ofMessages, noSites},
	sim.Delay:     {ofTime, noSites},
	sim.Slow:      {amount: ofSpeed},
	sim.SlowDisk:  {amount: ofTime},
	sim.StallDisk: {},
	sim.Jump:      {amount: ofTime},
	sim.Sick:      {},
}

// checkFault looks at a fault by itself.
func (e *Event) checkFault(s *Scenario) (string, error) {
	rule, known := faultRules[e.Fault]
	if !known {
		return ".fault", fmt.Errorf("no fault %q; there are %s", e.Fault, faultNames())
	}
	if _, err := e.value(); err != nil {
		return ".amount", err
	}
	switch {
	case rule.sites == oneSide && len(e.Sites) == 0:
		return "", fmt.Errorf("%s needs sites: those on one side", e.Fault)
	case rule.sites == noSites && len(e.Sites) > 0:
		return ".sites", fmt.Errorf("%s befalls all messages, not those of some sites: leave sites out", e.Fault)
	case e.Times < 0:
		return ".times", fmt.Errorf("%d, want 1 or more", e.Times)
	case (e.Every == 0) != (e.Times < 2):
		return "", errors.New("every and times go together: every: 24h, times: 3")
	case e.Every > 0 && e.Round > 0:
		return ".every", errors.New("goes with times, not with a round")
	}
	for n, name := range e.Sites {
		if len(s.Find(name)) == 0 {
			return fmt.Sprintf(".sites[%d]", n), fmt.Errorf("no site or group %q", name)
		}
	}
	return "", nil
}

func faultNames() string {
	var names []string
	for _, k := range sim.FaultKinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// value returns how bad a fault is, as the simulator counts it; 0 if it has no degree.
func (e *Event) value() (float64, error) {
	d := faultRules[e.Fault].amount
	switch {
	case d == nil && e.Amount != "":
		return 0, fmt.Errorf("%s has no amount", e.Fault)
	case d == nil:
		return 0, nil
	case e.Amount == "":
		return 0, fmt.Errorf("%s needs an amount: %s", e.Fault, d.want)
	}
	v, ok := d.read(string(e.Amount))
	if !ok {
		return 0, fmt.Errorf("%.40q, want %s", e.Amount, d.want)
	}
	return v, nil
}

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
