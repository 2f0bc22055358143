package node

import (
	"strings"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
)

// Reload reads config.yaml anew, and takes over what can change while the node runs. Nothing ends. A file that is wrong is refused
// as a whole; the log says what comes of it. Call it after Ready.
func (n *Node) Reload() {
	next, err := config.Read(n.home.Path(site.ConfigFile))
	if err != nil {
		text, advice := hint.Split(err)
		attrs := []any{"error", text}
		if advice != "" {
			attrs = append(attrs, "hint", advice)
		}
		n.log.Warn("config.yaml is refused; all stays as it was", attrs...)
		return
	}
	changed, restart := n.config.Take(next)
	now := n.config.Now()
	n.store.SetReserve(uint64(now.DiskReserve))
	if n.opt.Level != nil {
		n.opt.Level.Set(now.Log.Level.Slog())
	}
	if len(changed) == 0 && len(restart) == 0 {
		n.log.Info("config.yaml was read anew; nothing in it has changed")
	}
	if len(changed) > 0 {
		n.log.Info("config.yaml was read anew", "changed", strings.Join(changed, ", "), "accept", now.Accept.String(), "keepModels", uint64(now.KeepModels), "level", now.Log.Level.Slog())
	}
	if len(restart) > 0 {
		n.log.Warn("a part of config.yaml is in force after a restart only: end the node and start it again", "fields", strings.Join(restart, ", "))
	}
}
