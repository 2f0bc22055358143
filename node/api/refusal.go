package api

import (
	"fmt"
	"net/http"
)

// Refusal is a request that is refused with an HTTP status of its own.
type Refusal struct {
	Status int
	Body   Error
}

func (r *Refusal) Error() string { return r.Body.Error() }

// Advice is the hint, for package hint.
func (r *Refusal) Advice() string { return r.Body.Hint }

// Refuse refuses a request with an HTTP status and what to do about it.
func Refuse(status int, advice, format string, args ...any) error {
	return &Refusal{Status: status, Body: Error{Message: fmt.Sprintf(format, args...), Hint: advice}}
}

// RefuseField refuses a run for what its description has in a field.
func RefuseField(field, advice string, err error) error {
	return &Refusal{Status: http.StatusBadRequest, Body: Error{Message: err.Error(), Hint: advice, Field: field}}
}

// NotHeldHint says what to do about a model that is not on this site's disk.
const NotHeldHint = "this site does not hold it (any more): of a run the newest models are kept, as many as keep_models in config.yaml says, and what it began with"
