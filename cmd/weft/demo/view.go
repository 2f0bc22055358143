package demo

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

const barWidth = 20

// view is the demo as it is shown: one goroutine updates it, another draws.
type view struct {
	d     *Demo
	now   func() time.Time
	begun time.Time

	mu     sync.Mutex
	status string // what goes on besides the run
	done   int    // of all, if all > 0: a bar beside status
	all    int
	states []state
	rounds []api.RoundStatus // committed everywhere
}

// state is where a site stands.
type state struct {
	round  uint64
	phase  api.Phase
	step   uint64
	steps  uint64
	speed  float64 // tokens per second
	rounds []api.RoundStatus
	sent   int64
	got    int64
}

func newView(d *Demo, now func() time.Time) *view {
	return &view{d: d, now: now, begun: now(), states: make([]state, len(d.sites))}
}

// plain reports whether changes are printed as lines.
func (v *view) plain() bool { return !v.d.out.TTY }

func (v *view) line(format string, args ...any) {
	v.d.out.Printf("%7s  %s\n", term.Duration(v.now().Sub(v.begun)), fmt.Sprintf(format, args...))
}

// say tells what goes on.
func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.done, v.all = fmt.Sprintf(format, args...), 0, 0
	if v.plain() && v.status != "" {
		v.line("%s", v.status)
	}
}

// compare tells how far a part of the comparison is.
func (v *view) compare(what, site string, done, all int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	status := what
	if site != "" {
		status += ": " + site
	}
	if v.plain() && status != v.status && status != "" {
		v.line("%s", status)
	}
	v.status, v.done, v.all = status, done, all
}

// update takes in what the nodes say.
func (v *view) update(run block.CID, all []*api.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, s := range all {
		r := runOf(s, run)
		if r == nil {
			continue
		}
		old := v.states[i]
		next := state{
			round: min(r.Round, r.Rounds), phase: r.Phase, step: r.Step, steps: r.Steps,
			speed: r.Metrics["tokens_per_second"], rounds: r.History, sent: s.Sent, got: s.Received,
		}
		if next.speed == 0 {
			next.speed = old.speed
		}
		if v.plain() && (old.round != next.round || old.phase != next.phase) {
			v.line("%s  round %d  %s", v.d.sites[i].name, next.round, next.phase)
		}
		v.states[i] = next
	}
	v.commit()
}

// commit notes the rounds that every site has by now.
func (v *view) commit() {
	for n := len(v.rounds); ; n++ {
		for _, s := range v.states {
			if len(s.rounds) <= n {
				return
			}
		}
		r := v.states[0].rounds[n]
		v.rounds = append(v.rounds, r)
		if v.plain() {
			v.line("round %d  %s  model %s, %s", r.Round, v.losses(r), r.Model.Short(), v.agreement(n))
		}
	}
}

// agreement says how many sites have the same model after round n, from 0.
func (v *view) agreement(n int) string {
	same := 0
	for _, s := range v.states {
		if s.rounds[n].Model == v.states[0].rounds[n].Model {
			same++
		}
	}
	return fmt.Sprintf("same at %d of %d", same, len(v.states))
}

// losses lists each site's training loss of a round.
func (v *view) losses(r api.RoundStatus) string {
	var parts []string
	for _, s := range v.d.sites {
		parts = append(parts, fmt.Sprintf("%s %s", s.name, loss(r, s.name)))
	}
	return "loss " + strings.Join(parts, ", ")
}

func loss(r api.RoundStatus, site string) string {
	l, ok := r.Metrics[site]["loss"]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f", l)
}
