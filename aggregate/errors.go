package aggregate

import (
	"errors"
	"fmt"
)

var (
	// ErrInputs is returned for inputs that cannot be reduced: none at all, too many, weights
	// out of bounds, a late one that the strategy cannot take, or a reader that is missing.
	ErrInputs = errors.New("inputs cannot be reduced")
	// ErrShape is returned for a shape that breaks a limit, and for a shard of another length
	// than the shape says.
	ErrShape = errors.New("shard does not fit the model's shape")
	// ErrNotFinite is returned, as a NotFiniteError, for an element without a finite value.
	ErrNotFinite = errors.New("element is NaN, infinite or beyond its type's range")
	// ErrOverflow is returned, as an OverflowError, for a step out of a type's range.
	ErrOverflow = errors.New("the step leaves the range of numbers")
	// ErrTooLong is returned, as a TooLongError, for an update that changes its base by too much.
	ErrTooLong = errors.New("too long a change")
	// ErrSpec is returned, as a SpecError, for a strategy that this program does not know.
	ErrSpec = errors.New("strategy is not known")
)

// NotFiniteError names an input that cannot be aggregated: an element is NaN or infinite,
// or for a late update it leaves the range of its type once carried over to the base (or
// a base is not finite there), or its change is more than the largest float32. The mean of the other inputs may well exist. Of several
// such elements the error names the first by shard, then input, then element, so that
// all sites that compute the same aggregate name the same. It is an ErrNotFinite.
type NotFiniteError struct {
	Input   int    // index in seal order
	Shard   int    // index of the shard
	Element uint64 // index within the shard
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("input %d, shard %d, element %d: %v; seal again without this update",
		e.Input, e.Shard, e.Element, ErrNotFinite)
}

func (e *NotFiniteError) Unwrap() error { return ErrNotFinite }

// OverflowError says that finite inputs led out of the range of the model's or a slot's type: the steps are too
// large, round after round or, with an lr above 1, in one with a huge change. Each input is in range, so none is named. The round
// has no model. It is an ErrOverflow.
type OverflowError struct {
	What    string // the model, or which slot
	Shard   int
	Element uint64
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("element %d of %s: %v; this run needs smaller steps", e.Element, e.What, ErrOverflow)
}

func (e *OverflowError) Unwrap() error { return ErrOverflow }

// SpecError names the field of a run description that this program cannot follow: a rule, an outer step or a parameter that
// it does not know, or a value that is out of range. A newer program may know it. It is an ErrSpec.
type SpecError struct {
	Field string // rule, outer or params.NAME
	Why   string
}

func (e *SpecError) Error() string { return e.Field + ": " + e.Why }
func (e *SpecError) Unwrap() error { return ErrSpec }

// TooLongError says by how much an update changes its base, and how much its run allows. It is an ErrTooLong.
type TooLongError struct{ Norm, Limit float64 }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("it changes the model by a norm of %.4g, the run allows %.4g: %v", e.Norm, e.Limit, ErrTooLong)
}

func (e *TooLongError) Unwrap() error { return ErrTooLong }
