package aggregate

var _ = RegisterOuter("none", `the combined change is added to the base

model = x + lr D, with x the round's base and D the combined change. No state.`,
	[]Param{{Name: "lr", Doc: "how much of the change is added", Default: "1", Range: "(0, 1000]"}},
	func(v Values) (Outer, error) { return plain{rate: v.Float("lr")}, nil })

type plain struct{ rate float64 }

// Slots implements Outer.
func (plain) Slots() []string { return nil }

// Step implements Outer.
func (p plain) Step(s *Step) {
	base, change := s.Base[:len(s.Out)], s.Change[:len(s.Out)]
	for e := range s.Out {
		s.Out[e] = base[e] + float64(p.rate*change[e])
	}
}
