package archive

import (
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/trace"
)

// DecidedAt returns when the entry of each height was decided at the site in dir, as far as its trace says: old events go.
func DecidedAt(dir string) (map[uint64]time.Time, error) {
	at := map[uint64]time.Time{}
	return at, readTraces(dir, func(ev api.Event) {
		if decided, ok := ev.Event.(trace.Decided); ok {
			at[decided.Height] = ev.Time
		}
	})
}

// troublesOf returns what the sites have said of what goes wrong there, as far as the trace of the site in dir says.
func troublesOf(dir string) (*api.TroubleLog, error) {
	l := api.NewTroubleLog()
	return l, readTraces(dir, func(ev api.Event) { l.See(ev.Event) })
}

// readTraces calls each with the events of the site in dir, in order.
func readTraces(dir string, each func(api.Event)) error {
	path := filepath.Join(dir, site.TraceFile)
	for _, p := range []string{path + api.OldTrace, path} {
		if err := api.ReadTrace(p, each); err != nil {
			return err
		}
	}
	return nil
}
