package try

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

const barWidth = 20

// Screen is a try as it is shown: one goroutine updates it, another draws.
type Screen struct {
	out   *term.Out
	cfg   *Config
	mesh  *ledger.Genesis
	now   func() time.Time
	begun time.Time

	mu      sync.Mutex
	status  string // what goes on besides the run
	done    int    // of all, if all > 0: a bar beside status
	all     int
	states  []state
	rounds  []api.RoundStatus // committed everywhere
	models  []Figures         // what was measured of the models, from that of round 0
	figures int               // models that were measured
	events  []string          // what has happened to sites
}

// state is where a site stands.
type state struct {
	down   bool
	round  uint64
	phase  api.Phase
	step   uint64
	steps  uint64
	speed  float64 // tokens per second
	rounds []api.RoundStatus
	sent   int64
	got    int64
}

func newScreen(out *term.Out, cfg *Config, mesh *ledger.Genesis, now func() time.Time) *Screen {
	return &Screen{out: out, cfg: cfg, mesh: mesh, now: now, begun: now(), states: make([]state, len(cfg.Sites))}
}

// plain reports whether changes are printed as lines.
func (sc *Screen) plain() bool { return !sc.out.TTY }

func (sc *Screen) line(format string, args ...any) {
	sc.out.Printf("%7s  %s\n", term.Duration(sc.now().Sub(sc.begun)), fmt.Sprintf(format, args...))
}

// Say tells what goes on besides the run, nothing if the format is empty.
func (sc *Screen) Say(format string, args ...any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.status, sc.done, sc.all = fmt.Sprintf(format, args...), 0, 0
	if sc.plain() && sc.status != "" {
		sc.line("%s", sc.status)
	}
}

// Progress tells how far something is that goes on besides the run.
func (sc *Screen) Progress(what string, done, all int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.plain() && what != sc.status && what != "" {
		sc.line("%s", what)
	}
	sc.status, sc.done, sc.all = what, done, all
}

// event tells what has happened to a site.
func (sc *Screen) event(format string, args ...any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	sc.events = append(sc.events, text)
	if sc.plain() {
		sc.line("%s", text)
	}
}

// update takes in what the nodes say.
func (sc *Screen) update(run block.CID, all []*api.Status, k *kills) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for i, s := range all {
		if s == nil {
			continue
		}
		r := runOf(s, run)
		if r == nil {
			continue
		}
		next := state{
			down: k.isDown(i), round: min(r.Round, r.Rounds), phase: r.Phase, step: r.Step, steps: r.Steps,
			speed: r.Metrics["tokens_per_second"], rounds: r.History, sent: s.Sent, got: s.Received,
		}
		if next.speed == 0 {
			next.speed = sc.states[i].speed
		}
		sc.states[i] = next
		if len(r.Figures) >= sc.figures {
			sc.figures, sc.models = len(r.Figures), measured(r)
		}
		if r.Unmeasured && sc.status == "" {
			sc.status = "measuring the last model"
			if sc.plain() {
				sc.line("%s", sc.status)
			}
		}
	}
	sc.commit()
}

// commit notes the rounds that every site has by now which is up.
func (sc *Screen) commit() {
	for n := len(sc.rounds); ; n++ {
		var first *api.RoundStatus
		for i := range sc.states {
			s := &sc.states[i]
			if s.down {
				continue
			}
			if len(s.rounds) <= n {
				return
			}
			if first == nil {
				first = &s.rounds[n]
			}
		}
		if first == nil {
			return
		}
		sc.add(*first, n)
	}
}

func (sc *Screen) add(r api.RoundStatus, n int) {
	sc.rounds = append(sc.rounds, r)
	if sc.plain() {
		sc.line("round %d  %s  model %s, same at %s", r.Round, sc.losses(&r), r.Model.Short(), sc.agreement(n))
	}
}

// agreement says how many sites have the same model after round n, from 0.
func (sc *Screen) agreement(n int) string {
	same, up := 0, 0
	for _, s := range sc.states {
		if s.down || len(s.rounds) <= n {
			continue
		}
		up++
		if s.rounds[n].Model == sc.rounds[n].Model {
			same++
		}
	}
	return fmt.Sprintf("%d/%d", same, up)
}

// losses lists each site's figure of its training in a round.
func (sc *Screen) losses(r *api.RoundStatus) string {
	own := trained(r)
	name := own.lossOf()
	if name == "" {
		return fmt.Sprintf("%d updates", len(r.Sites))
	}
	var parts []string
	for _, s := range sc.cfg.Sites {
		parts = append(parts, fmt.Sprintf("%s %s", s.Name, value(own, s.Name, name)))
	}
	text := name + " " + strings.Join(parts, ", ")
	if int(r.Round) <= len(sc.models) {
		base := sc.models[r.Round-1]
		shown := sc.shown(base)
		if mean, _, sites := base.mean(shown); sites > 0 {
			text += fmt.Sprintf("  the base's %s %.4g", shown, mean)
		}
	}
	return text
}

// shown picks the figure of the models that is shown.
func (sc *Screen) shown(f Figures) string {
	if sc.cfg.Best != nil {
		return sc.cfg.Best.Metric
	}
	return f.lossOf()
}

func value(f Figures, site, metric string) string {
	v, ok := f[site].Metrics[metric]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f", v)
}
