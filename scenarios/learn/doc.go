// Package learn is the workload of scenarios that really learn: [Learner] trains with the embedded
// trainer at every site of a simulated mesh and averages what they make, [Measure] measures the models
// that real nodes have trained. Either adds to a recording how the loss went, beside what each site and
// all text together would have come to without the mesh.
//
// Data deals the embedded texts out to the sites; poison is what liars make of an update.
package learn
