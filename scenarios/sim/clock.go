package sim

import "time"

// Clock is a site's monotonic clock. It starts at Offset with each life of the site's process, as the
// protocol compares no times of two sites or two lives.
type Clock struct {
	Offset time.Duration // what it shows when the process starts
	Drift  float64       // parts per million that it goes fast; negative: slow
}

// clock is a Clock in one life.
type clock struct {
	Clock
	boot time.Duration // the world's time when the process started
	jump time.Duration // the machine was suspended, or its clock set, by so much
}

// local returns what the clock shows at a time of the world.
func (c *clock) local(at time.Duration) time.Duration {
	passed := at - c.boot
	return c.Offset + c.jump + passed + time.Duration(float64(passed)*c.Drift/1e6)
}

// world returns the first time of the world at which the clock shows at least local.
func (c *clock) world(local time.Duration) time.Duration {
	at := c.boot + time.Duration(float64(local-c.Offset-c.jump)/(1+c.Drift/1e6))
	for c.local(at) < local { // rounding
		at++
	}
	return at
}
