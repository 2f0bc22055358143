// Package reduction is what the making of a round's model has in common wherever it is made: by a node, by the simulator's
// workload that learns, and anew from a site's directory. [Strategy] says how, [Open] gets what it is made from, [Output] takes
// what comes out; between them stands aggregate.Reduce.
package reduction
