package gossip

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
)

// counters say what gossipsub does. They count in any case, and are shown if the configuration names a registry.
type counters struct {
	messages *prometheus.CounterVec
	bytes    *prometheus.CounterVec
}

func newCounters() counters {
	return counters{
		prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_gossip_messages_total", Help: "Messages of gossipsub by what became of them: delivered, duplicate, rejected, undeliverable, or dropped before they were sent.",
		}, []string{"fate"}),
		prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_gossip_bytes_total", Help: "Bytes of gossipsub, its own talk included.",
		}, []string{"direction"}),
	}
}

// show adds the counters to a registry.
func (c counters) show(r prometheus.Registerer) error {
	for _, v := range []prometheus.Collector{c.messages, c.bytes} {
		if err := r.Register(v); err != nil {
			return err
		}
	}
	return nil
}

func (c counters) message(fate string) { c.messages.WithLabelValues(fate).Inc() }

func (c counters) rpc(direction string, rpc *pubsub.RPC) {
	c.bytes.WithLabelValues(direction).Add(float64(proto.Size(&rpc.RPC)))
}
