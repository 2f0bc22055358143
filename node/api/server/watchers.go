package server

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/weft-mesh/weft/node/api"
)

// aliveTime is how long the protocol may take to answer before the node counts as stuck.
const aliveTime = 5 * time.Second

// ServeWatchers answers programs that watch the node: metrics, and whether it is well. It tells nothing else, for it may listen
// where others than the site's operator can ask.
func ServeWatchers(ctx context.Context, l net.Listener, site Reader, metrics http.Handler) error {
	mux := http.NewServeMux()
	watchers(mux, site, metrics)
	return serve(ctx, l, mux)
}

// watchers adds what programs ask that watch the node.
func watchers(mux *http.ServeMux, site Reader, metrics http.Handler) {
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { writeHealth(w, healthz(r.Context(), site)) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { writeHealth(w, readyz(r.Context(), site)) })
}

// healthz says whether the node is alive: its protocol answers. If it is not, a restart may help.
func healthz(ctx context.Context, site Reader) api.Health {
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	if _, err := site.Entries(ctx, 1, 0); err != nil {
		return api.Health{Problem: "the protocol does not answer", Hint: "see the node's log; it can be started again at any moment"}
	}
	return api.Health{OK: true}
}

// readyz says whether the site can go on: nothing keeps it from that. A restart helps nothing.
func readyz(ctx context.Context, site Reader) api.Health {
	if h := healthz(ctx, site); !h.OK {
		return h
	}
	st, err := site.Status(ctx)
	if err != nil {
		return api.Health{Problem: err.Error()}
	}
	return api.Health{OK: st.Problem == "", Problem: st.Problem, Hint: st.Hint}
}

func writeHealth(w http.ResponseWriter, h api.Health) {
	status := http.StatusOK
	if !h.OK {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, h)
}
