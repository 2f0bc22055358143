// Package steps keeps the curves of a site's own trainings: what its trainer says of its metrics from step to step, thinned, of the
// newest trainings of each run. They are in a file for each run, lines of JSON, and tell nobody else anything.
package steps
