// Package proctree starts a process, and ends it with all that it has started: a launcher's ranks in sessions of their own, a data
// loader's workers, helpers whose parent is gone.
//
// On Linux a tree is what /proc shows of it: the process that was started, its group, what descends from them, and whatever carries
// the tree's mark, a variable of its environment that no other tree has. What was once seen to belong to the tree belongs to it also
// when its parent has gone. Elsewhere a tree is the process group alone.
//
// [Adopt] makes this process the parent of what others leave behind, and waits for it, so that nothing stays a zombie; for a node
// that is process 1 of a container nobody else does.
//
// A tree that outlives this process, as kill -9 leaves it, is found by the next one: each start is noted in a folder before the
// program runs, and [Sweep] ends what the notes name.
package proctree
