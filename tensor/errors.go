package tensor

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is returned for a layout, or for what is said of one, that breaks a rule or a limit.
	ErrInvalid = errors.New("not valid")
	// ErrTooMany is the ErrInvalid of more tensors, or longer names of them, than a layout can have.
	ErrTooMany = fmt.Errorf("%w: too many tensors", ErrInvalid)
	// ErrNotFinite is returned, as an ElementError, for an element that is NaN or infinite.
	ErrNotFinite = errors.New("element is not finite")
	// ErrSafetensors is returned for a file that is not valid safetensors, or beyond weft's limits.
	ErrSafetensors = errors.New("not a safetensors file that weft reads")
)

// ElementError names the first element found that is NaN or infinite. It is an ErrNotFinite.
type ElementError struct {
	Tensor  string
	Element uint64 // index within the tensor, row-major
	Shard   int    // index of the shard that holds it
}

func (e *ElementError) Error() string {
	return fmt.Sprintf("tensor %q, element %d (shard %d): %v", e.Tensor, e.Element, e.Shard, ErrNotFinite)
}

func (e *ElementError) Unwrap() error { return ErrNotFinite }
