package exchange

import (
	"io"
	"sync/atomic"
	"time"
)

// pulse tells when a transfer last moved. Deadlines would do the same for a transport that has
// them, at one call each for every chunk; a pulse is swept once in a while.
type pulse struct {
	last atomic.Int64 // Unix time, ns
	read atomic.Int64 // bytes
	rest atomic.Bool  // this side holds the transfer up
}

func (p *pulse) beat() { p.last.Store(time.Now().UnixNano()) }

// stopped reports whether nothing moved since then, and not because of this side.
func (p *pulse) stopped(since time.Time) bool {
	return !p.rest.Load() && p.last.Load() < since.UnixNano()
}

type pulseReader struct {
	r io.Reader
	p *pulse
}

func (r pulseReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.read.Add(int64(n))
	r.p.beat()
	return n, err
}

// pulseWriter writes in chunks, so that a slow transfer still shows a pulse.
type pulseWriter struct {
	w io.Writer
	p *pulse
}

func (w pulseWriter) Write(b []byte) (n int, err error) {
	w.p.beat()
	for n < len(b) {
		m, err := w.w.Write(b[n:min(n+chunkSize, len(b))])
		n += m
		if err != nil {
			return n, err
		}
		w.p.beat()
	}
	return n, nil
}
