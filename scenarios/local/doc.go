// Package local runs a whole mesh on one machine: a folder with a directory for each site,
// and a process of the weft binary for each node, on loopback. The demo, the benchmark
// and the crash test stand on it.
//
// Nodes die with the process that started them where the kernel offers it (Linux), and at
// [Mesh.Close] everywhere. What a node says goes to the file node.log in its directory.
package local
