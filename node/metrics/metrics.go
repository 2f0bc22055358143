package metrics

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
)

// scrapeTime is how long a scrape may take.
const scrapeTime = 10 * time.Second

// Site says where a site stands.
type Site interface {
	Status(ctx context.Context) (api.Status, error)
	Peers() []api.Peer
	Rounds(ctx context.Context, run block.CID, from uint64, limit int) (api.Rounds, error)
}

// Source is what a node's metrics are read from.
type Source struct {
	Site     Site
	Exchange func() exchange.Stats         // blocks exchanged since the node started
	Room     func() (uint64, error)        // bytes that the disk has room for
	Queue    func() Queue                  // messages that wait for the protocol
	Events   func() map[trace.Kind]float64 // what the protocol did since the node started
}

// Queue is how much waits for the protocol.
type Queue struct {
	Messages int
	Bytes    int
	Dropped  uint64 // since the node started, for want of room
}

// NewRegistry returns a registry with what Go and the operating system say of the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Register adds a node's metrics to a registry.
func Register(r prometheus.Registerer, s Source) error {
	return r.Register(&collector{source: s, rounds: newRounds()})
}

// Handler answers scrapes of a registry.
func Handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r, Timeout: scrapeTime, MaxRequestsInFlight: 4})
}

// collector reads the metrics when it is scraped.
type collector struct {
	source Source
	mu     sync.Mutex // one scrape counts rounds at a time
	rounds *rounds
}

var _ prometheus.Collector = (*collector)(nil)

// Describe sends what the collector may send. Kinds of metrics that need a run or a peer are among it.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range gauges {
		to <- m.desc
	}
	c.rounds.describe(to)
}

// Collect sends the metrics as they are now.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	st, err := c.source.Site.Status(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(siteInfo.desc, err)
		return
	}
	g := gauge{to}
	g.site(&st)
	for i := range st.Runs {
		g.run(&st.Runs[i])
		c.rounds.count(ctx, c.source.Site, &st.Runs[i])
	}
	stats := c.source.Exchange()
	g.peers(c.source.Site.Peers(), stats)
	g.node(c.source, stats)
	c.rounds.collect(to)
}
