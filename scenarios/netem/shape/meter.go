package shape

import "time"

// slack is how far ahead of its rate a link may run after a pause, so that what timers are late by is made up for.
const slack = 2 * time.Millisecond

// meter is a link that passes bytes one after another.
type meter struct {
	rate int64     // bytes a second; 0: no limit
	free time.Time // when it has passed what came so far
}

// pass returns when size bytes that come now have passed.
func (m *meter) pass(now time.Time, size int) time.Time {
	if m.rate <= 0 {
		return now
	}
	if idle := now.Add(-slack); m.free.Before(idle) {
		m.free = idle
	}
	m.free = m.free.Add(time.Duration(float64(size) / float64(m.rate) * float64(time.Second)))
	if m.free.Before(now) {
		return now
	}
	return m.free
}

// wait returns how long what comes now has to wait for what came before.
func (m *meter) wait(now time.Time) time.Duration {
	if m.rate <= 0 {
		return 0
	}
	return max(0, m.free.Sub(now))
}
