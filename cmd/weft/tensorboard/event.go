package tensorboard

import (
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// FileName is the name of an event file in its folder: TensorBoard looks for "tfevents".
const FileName = "events.out.tfevents.weft"

// fileVersion is the first event of every file.
const fileVersion = "brain.Event:2"

// Fields of the messages.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5 // Summary
	summaryValue     = 1 // Value, repeated
	valueTag         = 1 // string
	valueSimple      = 2 // float
)

// Scalar is a value of a curve.
type Scalar struct {
	Tag   string // the curve's name
	Value float64
}

// Writer writes an event file.
type Writer struct{ w io.Writer }

// NewWriter begins a file.
func NewWriter(w io.Writer, at time.Time) (*Writer, error) {
	event := protowire.AppendTag(timed(at), eventFileVersion, protowire.BytesType)
	event = protowire.AppendString(event, fileVersion)
	return &Writer{w}, writeRecord(w, event)
}

// Add writes the scalars of a step, in their order; the values are rounded to float32, as the format has it.
func (w *Writer) Add(at time.Time, step uint64, scalars []Scalar) error {
	var summary []byte
	for _, s := range scalars {
		value := protowire.AppendTag(nil, valueTag, protowire.BytesType)
		value = protowire.AppendString(value, s.Tag)
		value = protowire.AppendTag(value, valueSimple, protowire.Fixed32Type)
		value = protowire.AppendFixed32(value, math.Float32bits(float32(s.Value)))
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, value)
	}
	event := protowire.AppendTag(timed(at), eventStep, protowire.VarintType)
	event = protowire.AppendVarint(event, step)
	event = protowire.AppendTag(event, eventSummary, protowire.BytesType)
	return writeRecord(w.w, protowire.AppendBytes(event, summary))
}

// timed begins an event.
func timed(at time.Time) []byte {
	event := protowire.AppendTag(nil, eventWallTime, protowire.Fixed64Type)
	return protowire.AppendFixed64(event, math.Float64bits(float64(at.Unix())+float64(at.Nanosecond())/float64(time.Second)))
}
