package node

import (
	"fmt"
	"net/http"
)

// refusal is a request that is refused with a status of its own.
type refusal struct {
	Status int
	APIError
}

func (r *refusal) Error() string { return r.APIError.Error() }

// refuse refuses a request with an HTTP status and what to do about it.
func refuse(status int, advice, format string, args ...any) error {
	return &refusal{Status: status, APIError: APIError{Message: fmt.Sprintf(format, args...), Hint: advice}}
}

// refuseField refuses a run for what its description has in a field.
func refuseField(field, advice string, err error) error {
	return &refusal{Status: http.StatusBadRequest, APIError: APIError{Message: err.Error(), Hint: advice, Field: field}}
}

// notHeldHint says what to do about a model that is not on this site's disk.
const notHeldHint = "this site does not hold it (any more): of a run the newest models are kept, as many as keep_models in config.yaml says, and what it began with"
