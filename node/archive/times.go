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
	path := filepath.Join(dir, site.TraceFile)
	for _, p := range []string{path + api.OldTrace, path} {
		err := api.ReadTrace(p, func(ev api.Event) {
			if decided, ok := ev.Event.(trace.Decided); ok {
				at[decided.Height] = ev.Time
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return at, nil
}
