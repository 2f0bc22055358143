package aggregate

import (
	"errors"
	"fmt"
)

var (
	// ErrInputs is returned for inputs that have no mean: none at all, too many, weights out
	// of bounds, or a reader that is missing.
	ErrInputs = errors.New("inputs cannot be averaged")
	// ErrShape is returned for a shape that breaks a limit, and for a shard of another length
	// than the shape says.
	ErrShape = errors.New("shard does not fit the model's shape")
	// ErrNotFinite is returned, as a NotFiniteError, for an element without a finite value.
	ErrNotFinite = errors.New("element is NaN, infinite or beyond its type's range")
)

// NotFiniteError names an input that cannot be aggregated: an element is NaN or infinite,
// or for a late update it leaves the range of its type once carried over to the base (or
// a base is not finite there). The mean of the other inputs may well exist. Of several
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
