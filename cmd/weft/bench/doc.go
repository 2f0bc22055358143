// Package bench measures whole rounds: real nodes in processes of their own on loopback,
// with a trainer that trains nothing, so that what remains is weft's own work.
package bench
