package builtin

import "errors"

var (
	// ErrData is returned for a site's text that cannot be read or is too short.
	ErrData = errors.New("no text to train on")
	// ErrBase is returned for a task whose model is not one that InitModel wrote for these
	// hyperparameters.
	ErrBase = errors.New("model does not fit the run's hyperparameters")
	// ErrDiverged is returned when training left the finite numbers.
	ErrDiverged = errors.New("training diverged; a lower lr helps")
)
