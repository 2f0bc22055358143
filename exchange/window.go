package exchange

import "time"

// window is how many bytes a provider is asked for ahead. It starts small, so that a slow provider
// does not hold much, and doubles while the delivered rate grows with it, so that a long fat
// pipe is filled: slow start without the congestion control, which the transport has.
type window struct {
	size, max int64
	limited   bool // the window, not the lack of work, ended the last asking

	epoch     time.Time // when the window now measured began
	delivered int64     // bytes since epoch
	best      float64   // highest rate of a window so far, bytes per second
	flat      int       // windows in a row without a clear gain
}

const (
	gain    = 1.15 // a rate this much higher is a gain
	maxFlat = 3    // windows without a gain until the size stays
)

// arrived counts n bytes that came at now, and may enlarge the window.
func (w *window) arrived(n int64, now time.Time) {
	if w.epoch.IsZero() {
		w.epoch = now // the first block's latency is not a rate
		return
	}
	w.delivered += n
	if w.delivered < w.size {
		return
	}
	rate := float64(w.delivered) / max(now.Sub(w.epoch).Seconds(), 1e-6)
	w.flat++
	if rate > gain*w.best {
		w.flat = 0
	}
	w.best = max(w.best, rate)
	if w.limited && w.flat < maxFlat {
		w.size = min(2*w.size, w.max)
	}
	w.epoch, w.delivered = now, 0
}

// pause ends a measurement: a time without asks is no rate.
func (w *window) pause() { w.epoch, w.delivered = time.Time{}, 0 }
