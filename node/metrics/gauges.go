package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/node/api"
)

// metric is one that is read when it is scraped.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// gauges are all metrics that are read when they are scraped.
var gauges []metric

func define(kind prometheus.ValueType, name, help string, labels ...string) metric {
	m := metric{prometheus.NewDesc("weft_"+name, help, labels, nil), kind}
	gauges = append(gauges, m)
	return m
}

func newGauge(name, help string, labels ...string) metric {
	return define(prometheus.GaugeValue, name, help, labels...)
}

func newCounter(name, help string, labels ...string) metric {
	return define(prometheus.CounterValue, name, help, labels...)
}

// Of the site.
var (
	siteInfo  = newGauge("site_info", "1, with the names of the site and its mesh, and its version.", "site", "mesh", "version")
	clock     = newGauge("clock_seconds", "Time of this machine's clock, in seconds since 1970.")
	started   = newGauge("start_time_seconds", "When the node started, in seconds since 1970.")
	problem   = newGauge("problem", "1 if something keeps the site from going on, or needs its operator: weft status says what.")
	sites     = newGauge("sites", "Sites of the roster.")
	quorum    = newGauge("quorum", "Sites that must agree.")
	reachable = newGauge("sites_reachable", "Sites that can be reached, this one included.")
	liars     = newGauge("sites_named", "Sites proven to have signed two statements for one place.")
	height    = newGauge("ledger_height", "Decided entries of the ledger.")
	protocol  = newGauge("protocol", "Protocol number in force.")
	pending   = newGauge("runs_pending", "Runs that wait for this site's operator.")
	running   = newGauge("runs", "Runs by what this site does for them.", "phase")
)

// Of the runs that are not over.
var (
	runRound     = newGauge("run_round", "Current round.", "run", "id")
	runRounds    = newGauge("run_rounds", "Rounds that the run has in all.", "run", "id")
	runCommitted = newGauge("run_committed_rounds", "Committed rounds.", "run", "id")
	runPhase     = newGauge("run_phase", "1 for the phase in which this site is.", "run", "id", "phase")
	runStuck     = newGauge("run_waits", "1 if the round does not go on: weft status says for what it waits.", "run", "id")
	runUpdates   = newGauge("run_updates_held", "Updates of the current round that are here.", "run", "id")
	runTakes     = newGauge("run_sites", "Sites that take part.", "run", "id")
	runStep      = newGauge("run_training_step", "Step of the training under way.", "run", "id")
	runSteps     = newGauge("run_training_steps", "Steps that the training under way will have.", "run", "id")
	runHeard     = newGauge("run_trainer_heard_seconds", "When the trainer was last heard of, in seconds since 1970.", "run", "id")
	runFailed    = newGauge("run_training_failed", "1 if this site's last training or evaluation failed.", "run", "id")
	runMissing   = newGauge("run_missing_seals", "Newest seals in a row in which a site is missing, from 2 on.", "run", "id", "site")
)

// Of the other sites.
var (
	peerUp       = newGauge("peer_connected", "1 if the site is connected.", "peer")
	peerRTT      = newGauge("peer_rtt_seconds", "Round trip time.", "peer")
	peerSent     = newCounter("peer_sent_bytes_total", "Bytes of blocks sent to the site.", "peer")
	peerReceived = newCounter("peer_received_bytes_total", "Bytes of blocks received from the site.", "peer")
	peerUnused   = newCounter("peer_surplus_bytes_total", "Bytes of blocks received from the site that had come from another, or were not wanted any more.", "peer")
	peerRejected = newCounter("peer_rejected_messages_total", "Messages of the site that were refused.", "peer")
	peerProtocol = newGauge("peer_protocol", "Newest protocol number that the site knows, as it says.", "peer")
)

// Of the node.
var (
	blocks     = newCounter("blocks_total", "Blocks exchanged.", "direction")
	blockBytes = newCounter("block_bytes_total", "Bytes of blocks exchanged; surplus ones came twice, or were not wanted any more.", "direction")
	room       = newGauge("disk_room_bytes", "Bytes of artifacts that the disk has room for, without its reserve.")
	waiting    = newGauge("queue_messages", "Messages that wait for the protocol.")
	waitBytes  = newGauge("queue_bytes", "Bytes of the messages that wait for the protocol.")
	dropped    = newCounter("queue_dropped_messages_total", "Messages dropped as too many wait for the protocol.")
	events     = newCounter("events_total", "What the protocol did, by kind of event, as trace.jsonl names them.", "event")
)

// gauge sends metrics.
type gauge struct{ to chan<- prometheus.Metric }

func (g gauge) set(m metric, v float64, labels ...string) {
	g.to <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
}

func (g gauge) site(st *api.Status) {
	g.set(siteInfo, 1, st.Site, st.MeshName, st.Weft)
	g.set(clock, seconds(time.Now()))
	g.set(started, seconds(st.Since))
	g.set(problem, one(st.Problem != ""))
	g.set(sites, float64(st.Sites))
	g.set(quorum, float64(st.Quorum))
	g.set(reachable, float64(st.Up))
	g.set(liars, float64(len(st.Named)))
	g.set(height, float64(st.Height))
	g.set(protocol, float64(st.Protocol))
	g.set(pending, float64(len(st.Pending)))
	phases := map[api.Phase]int{}
	for i := range st.Runs {
		phases[st.Runs[i].Phase]++
	}
	for p, n := range phases {
		g.set(running, float64(n), string(p))
	}
}

// run shows a run that is not over.
func (g gauge) run(r *api.RunStatus) {
	if over(r.Phase) {
		return
	}
	set := func(m metric, v float64, more ...string) {
		g.set(m, v, append([]string{r.Name, r.ID.Short()}, more...)...)
	}
	set(runRound, float64(r.Round))
	set(runRounds, float64(r.Rounds))
	set(runCommitted, float64(r.Done))
	set(runPhase, 1, string(r.Phase))
	set(runStuck, one(r.Waits != ""))
	set(runUpdates, float64(len(r.Updates)))
	set(runTakes, float64(len(r.Takes)))
	set(runStep, float64(r.Step))
	set(runSteps, float64(r.Steps))
	if !r.Heard.IsZero() {
		set(runHeard, seconds(r.Heard))
	}
	set(runFailed, one(r.Failure != nil))
	for _, m := range r.Missing {
		set(runMissing, float64(m.Seals), m.Site)
	}
}

func (g gauge) peers(list []api.Peer, stats exchange.Stats) {
	for i := range list {
		p := &list[i]
		g.set(peerUp, one(p.Connected), p.Site)
		if p.RTT > 0 {
			g.set(peerRTT, p.RTT.Seconds(), p.Site)
		}
		g.set(peerSent, float64(p.Sent), p.Site)
		g.set(peerReceived, float64(p.Received), p.Site)
		g.set(peerUnused, float64(stats.Peers[p.ID].Unused.Bytes), p.Site)
		g.set(peerRejected, float64(p.Rejected), p.Site)
		if p.Protocol > 0 {
			g.set(peerProtocol, float64(p.Protocol), p.Site)
		}
	}
}

func (g gauge) node(s Source, stats exchange.Stats) {
	for direction, n := range map[string]exchange.Count{"sent": stats.Total.Sent, "received": stats.Total.Received, "surplus": stats.Total.Unused} {
		g.set(blocks, float64(n.Blocks), direction)
		g.set(blockBytes, float64(n.Bytes), direction)
	}
	if free, err := s.Room(); err == nil {
		g.set(room, float64(free))
	}
	q := s.Queue()
	g.set(waiting, float64(q.Messages))
	g.set(waitBytes, float64(q.Bytes))
	g.set(dropped, float64(q.Dropped))
	for kind, n := range s.Events() {
		g.set(events, n, string(kind))
	}
}

func over(p api.Phase) bool {
	return p == api.PhaseDone || p == api.PhaseStopped || p == api.PhaseDeclined
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
