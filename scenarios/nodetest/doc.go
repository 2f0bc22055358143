// Package nodetest runs whole nodes in one process and in virtual time: each with its own directory on a real
// disk, its own libp2p host, gossip, exchange and log, over a simulated network that is cut and mended at will.
//
// It works inside a bubble of testing/synctest only: time stands still while anything computes or reads a disk, and
// jumps when all wait. So an hour of a mesh takes seconds, and who is slow is who was made slow. The package's
// own test is what it is for: sites come and go in the middle of rounds, and the mesh must not notice.
package nodetest
