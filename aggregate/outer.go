package aggregate

// Outer makes the next model of the combined change. It keeps nothing from call to call, and is called for tiles of elements
// in any order, on several goroutines: what one round leaves to the next lies in slots, which have one float32 for each
// element of the model, all zero before the first round.
type Outer interface {
	// Slots returns the names of the slots, always the same.
	Slots() []string
	// Step reads s.Round, s.Base, s.Change and s.State and writes s.Out and s.State.
	Step(s *Step)
}

// Step is a tile of an outer step. All slices have one element for each of the tile's.
type Step struct {
	Round  uint64      // of the run, from 1
	Base   []float64   // the round's base
	Change []float64   // what the rule made of the sites' changes
	State  [][]float64 // of each slot, in the order of Slots; what is written is rounded to float32
	Out    []float64   // the next model; what is written is rounded to the model's type
}
