// Package simulated plays a scenario in virtual time ([Play]), with the protocol as nodes run it: the
// scenario becomes a world of package sim, whose trace becomes the recording. Package real plays the
// same scenario with real nodes.
package simulated
