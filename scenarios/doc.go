// Package scenarios lets people try a mesh on paper before they build it: a [Scenario], written in a
// YAML file, says which sites there are, how they are linked, what they train, what goes wrong and
// what is expected of it.
//
// [Simulate] plays a scenario in virtual time, with the protocol as nodes run it (package
// scenarios/sim); package scenarios/real plays the same one with real processes. Either yields a
// [Recording], of which package report makes a page, and which [Judge] holds to the expectations.
package scenarios
