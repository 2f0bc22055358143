package aggregate

var _ = RegisterOuter("nesterov", `Nesterov momentum over rounds, as in DiLoCo

v = b v + D; model = x + lr (D + b v), with x the round's base and D the combined change.
State: v, all zero before the first round.
Douillard et al., "DiLoCo: Distributed Low-Communication Training of Language Models"
(arXiv 2311.08105), whose defaults these are.`,
	[]Param{
		{Name: "lr", Doc: "the outer learning rate", Default: "0.7", Range: "(0, 1000]"},
		{Name: "b", Doc: "the momentum: how much of a round's v the next one keeps", Default: "0.9", Range: "[0, 1)"},
	},
	func(v Values) (Outer, error) { return nesterov{rate: v.Float("lr"), momentum: v.Float("b")}, nil })

type nesterov struct{ rate, momentum float64 }

// Slots implements Outer.
func (nesterov) Slots() []string { return []string{"v"} }

// Step implements Outer.
func (n nesterov) Step(s *Step) {
	base, change, velocity := s.Base[:len(s.Out)], s.Change[:len(s.Out)], s.State[0][:len(s.Out)]
	for e := range s.Out {
		v := float64(n.momentum*velocity[e]) + change[e]
		velocity[e] = v
		s.Out[e] = base[e] + float64(n.rate*(change[e]+float64(n.momentum*v)))
	}
}
