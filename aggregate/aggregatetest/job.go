package aggregatetest

import (
	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

// State is an outer step's state, uncut: a float32 for each element, by slot.
type State map[string]Artifact

// Job returns the round, cut into shards and read in the given manner, as a job that begins from a state, nil for the first.
func (r Round) Job(s aggregate.Strategy, c Cut, m Manner, number uint64, before State) aggregate.Job {
	base, inputs := r.Inputs(c, m)
	job := aggregate.Job{Strategy: s, Round: number, Shape: c.Shape(), Base: base, Inputs: inputs}
	for name, data := range before {
		if job.State == nil {
			job.State = map[string]aggregate.ShardReader{}
		}
		job.State[name] = reader{c.float32s(), data, m}
	}
	return job
}

// float32s returns the cut into shards of as many elements, all F32.
func (c Cut) float32s() Cut {
	of := Cut{Offsets: []int{0}}
	end := 0
	for _, shard := range c.Segments {
		var elements uint64
		for _, s := range shard {
			elements += s.Elements
		}
		end += 4 * int(elements)
		of.Segments = append(of.Segments, []tensor.Segment{{DType: tensor.F32, Elements: elements}})
		of.Offsets = append(of.Offsets, end)
	}
	return of
}

// Made is what a reduction made, uncut.
type Made struct {
	Model Artifact
	State State // nil without slots
}

// Sink returns a sink that adds to what was made.
func (m *Made) Sink() aggregate.Sink {
	return aggregate.Sink{
		Model: func(_ int, data []byte) error {
			m.Model = append(m.Model, data...)
			return nil
		},
		State: func(slot string, _ int, data []byte) error {
			if m.State == nil {
				m.State = State{}
			}
			m.State[slot] = append(m.State[slot], data...)
			return nil
		},
	}
}
