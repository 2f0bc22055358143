package real

import (
	"errors"
	"slices"
	"time"

	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

// stage is a mesh and what faults are in force. Faults may overlap: each counts until it is mended.
type stage struct {
	nodes []*local.Node
	bed   netem.TestBed
	paths [][]shape.Path // without faults
	tell  func(site int, t trace.Event)

	down, frozen []int // by site, how many faults say so
	cut          [][]int
	loss, double float64
	delay        time.Duration
}

func newStage(m *local.Mesh, bed netem.TestBed, path func(from, to int) shape.Path) *stage {
	n := len(m.Nodes)
	s := &stage{nodes: m.Nodes, bed: bed, down: make([]int, n), frozen: make([]int, n)}
	for from := range n {
		row := make([]shape.Path, n)
		for to := range row {
			row[to] = path(from, to)
		}
		s.paths, s.cut = append(s.paths, row), append(s.cut, make([]int, n))
	}
	return s
}

// begin lets a fault happen.
func (s *stage) begin(f *sim.Fault) error { return s.change(f, +1) }

// mend undoes a fault that begin has let happen.
func (s *stage) mend(f *sim.Fault) error { return s.change(f, -1) }

// change counts a fault in or out, and makes it so.
func (s *stage) change(f *sim.Fault, by int) error {
	amount := float64(by) * f.Value
	switch f.Kind {
	case sim.Crash, sim.LoseDisk:
		return s.each(f, func(i int) error { return s.power(i, by, f.Kind == sim.LoseDisk) })
	case sim.StallDisk:
		return s.each(f, func(i int) error { return s.freeze(i, by) })
	case sim.Partition, sim.Cut:
		for _, p := range s.pairs(f) {
			s.cut[p[0]][p[1]] += by
			s.cut[p[1]][p[0]] += by
		}
		return s.bed.SetCut(func(from, to int) bool { return s.cut[from][to] > 0 })
	case sim.Loss:
		s.loss += amount
		return s.setPaths()
	case sim.Duplicate:
		s.double += amount
		return s.setPaths()
	case sim.Delay:
		s.delay += time.Duration(amount * float64(time.Second))
		return s.setPaths()
	}
	return possible(f.Kind)
}

// each does something to every site that a fault befalls.
func (s *stage) each(f *sim.Fault, do func(i int) error) (err error) {
	for i := range s.nodes {
		if len(f.Sites) == 0 || slices.Contains(f.Sites, i) {
			err = errors.Join(err, do(i))
		}
	}
	return err
}

// power takes a site's power or gives it back. Its node is not waited for.
func (s *stage) power(i, by int, forget bool) error {
	n := s.nodes[i]
	switch s.down[i] += by; {
	case by < 0 && s.down[i] == 0:
		return s.boot(i)
	case by > 0:
		if s.down[i] == by {
			s.tell(i, trace.Down{})
		}
		if err := n.Kill(); err != nil || !forget {
			return err
		}
		s.tell(i, trace.DiskLost{})
		return n.Forget()
	}
	return nil
}

// boot starts a site's node; a frozen one stands still at once.
func (s *stage) boot(i int) error {
	s.tell(i, trace.Up{})
	err := s.nodes[i].Start()
	if err == nil && s.frozen[i] > 0 {
		err = s.nodes[i].Pause()
	}
	return err
}

// freeze stops a site's process in its tracks or lets it go on.
func (s *stage) freeze(i, by int) error {
	switch s.frozen[i] += by; {
	case by > 0 && s.frozen[i] == 1:
		return s.nodes[i].Pause()
	case by < 0 && s.frozen[i] == 0:
		return s.nodes[i].Resume()
	}
	return nil
}

// pairs returns the links that a fault cuts, once each.
func (s *stage) pairs(f *sim.Fault) (pairs [][2]int) {
	for a := range s.nodes {
		for b := range a {
			x, y := slices.Contains(f.Sites, a), slices.Contains(f.Sites, b)
			if f.Kind == sim.Cut && x && y || f.Kind == sim.Partition && x != y {
				pairs = append(pairs, [2]int{a, b})
			}
		}
	}
	return pairs
}

func (s *stage) setPaths() error {
	for from, row := range s.paths {
		for to, p := range row {
			if from == to {
				continue
			}
			p.Latency += s.delay
			p.Loss = clamp(p.Loss + s.loss)
			p.Duplicate = clamp(p.Duplicate + s.double)
			if err := s.bed.SetPath(from, to, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func clamp(p float64) float64 { return min(max(p, 0), 1) }
