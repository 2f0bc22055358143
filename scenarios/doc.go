// Package scenarios lets people try a mesh on paper before they build it: a [Scenario], written in a
// YAML file, says which sites there are, how they are linked, what they train, what goes wrong and
// what is expected of it. This package reads and checks the file, and judges what came of it: whoever
// plays a scenario leaves a [Recording], which [Judge] holds to the expectations.
//
// Around it:
//
//   - library: the scenarios that weft brings along.
//   - play/simulated and play/real: the two players, in virtual time and with real nodes.
//   - learn: real learning in either, and how good the models are.
//   - report: the page that shows recordings.
//   - sim: the simulator of a mesh, its faults and its adversaries.
//   - netem: the networks that real nodes stand on.
package scenarios
