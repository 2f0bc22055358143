// Package bench measures weft on one machine.
//
// Whole rounds ([Run]) have real nodes in processes of their own on loopback, with a trainer that trains nothing, so that what
// remains is weft's own work. [Exchange], [Store] and [Reduce] measure one part of that beside what a user would take
// instead, in turn ([Measure]): on a machine that does other work as well, rates mean little and ratios much.
package bench
