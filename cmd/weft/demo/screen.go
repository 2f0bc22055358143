package demo

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
)

const barWidth = 20

// screen is the demo as it is shown: one goroutine updates it, another draws.
type screen struct {
	out   *term.Out
	cfg   *Config
	mesh  *ledger.Genesis
	sites []site
	now   func() time.Time
	begun time.Time

	mu     sync.Mutex
	status string // what goes on besides the run
	done   int    // of all, if all > 0: a bar beside status
	all    int
	states []state
	rounds []node.RoundStatus // committed everywhere
}

// state is where a site stands.
type state struct {
	round  uint64
	phase  node.Phase
	step   uint64
	steps  uint64
	speed  float64 // tokens per second
	rounds []node.RoundStatus
	sent   int64
	got    int64
}

func newScreen(out *term.Out, cfg *Config, mesh *ledger.Genesis, sites []site, now func() time.Time) *screen {
	return &screen{out: out, cfg: cfg, mesh: mesh, sites: sites, now: now, begun: now(), states: make([]state, len(sites))}
}

// plain reports whether changes are printed as lines.
func (sc *screen) plain() bool { return !sc.out.TTY }

func (sc *screen) line(format string, args ...any) {
	sc.out.Printf("%7s  %s\n", term.Duration(sc.now().Sub(sc.begun)), fmt.Sprintf(format, args...))
}

// say tells what goes on.
func (sc *screen) say(format string, args ...any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.status, sc.done, sc.all = fmt.Sprintf(format, args...), 0, 0
	if sc.plain() && sc.status != "" {
		sc.line("%s", sc.status)
	}
}

// compare tells how far a part of the comparison is.
func (sc *screen) compare(what, site string, done, all int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	status := what
	if site != "" {
		status += ": " + site
	}
	if sc.plain() && status != sc.status && status != "" {
		sc.line("%s", status)
	}
	sc.status, sc.done, sc.all = status, done, all
}

// update takes in what the nodes say.
func (sc *screen) update(run block.CID, all []*node.Status) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for i, s := range all {
		r := runOf(s, run)
		if r == nil {
			continue
		}
		old := sc.states[i]
		next := state{
			round: min(r.Round, r.Rounds), phase: r.Phase, step: r.Step, steps: r.Steps,
			speed: r.Metrics["tokens_per_second"], rounds: r.History, sent: s.Sent, got: s.Received,
		}
		if next.speed == 0 {
			next.speed = old.speed
		}
		if sc.plain() && (old.round != next.round || old.phase != next.phase) {
			sc.line("%s  round %d  %s", sc.sites[i].name, next.round, next.phase)
		}
		sc.states[i] = next
	}
	sc.commit()
}

// commit notes the rounds that every site has by now.
func (sc *screen) commit() {
	for n := len(sc.rounds); ; n++ {
		for _, s := range sc.states {
			if len(s.rounds) <= n {
				return
			}
		}
		r := sc.states[0].rounds[n]
		sc.rounds = append(sc.rounds, r)
		if sc.plain() {
			sc.line("round %d  %s  model %s, %s", r.Round, sc.losses(r), r.Model.Short(), sc.agreement(n))
		}
	}
}

// agreement says how many sites have the same model after round n, from 0.
func (sc *screen) agreement(n int) string {
	same := 0
	for _, s := range sc.states {
		if s.rounds[n].Model == sc.states[0].rounds[n].Model {
			same++
		}
	}
	return fmt.Sprintf("same at %d of %d", same, len(sc.states))
}

// losses lists each site's training loss of a round.
func (sc *screen) losses(r node.RoundStatus) string {
	var parts []string
	for _, s := range sc.sites {
		parts = append(parts, fmt.Sprintf("%s %s", s.name, loss(r, s.name)))
	}
	return "loss " + strings.Join(parts, ", ")
}

func loss(r node.RoundStatus, site string) string {
	l, ok := r.Metrics[site]["loss"]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f", l)
}
