package proctree

import "os"

// marked returns the living processes of a noted tree: those with its mark that began when its first process did, or later, and what
// descends from them. A process that has the mark and leads to this one, such as a shell in which somebody looks for a fault, is none.
func marked(n noted) (living []Process) {
	all, own := readProcs(), map[int]bool{}
	above := map[int]bool{}
	for at, ok := all[os.Getpid()]; ok && !above[at.PID]; at, ok = all[at.parent] {
		above[at.PID] = true
	}
	for pid, p := range all {
		own[pid] = !above[pid] && p.Start >= n.Start && (p.PID != n.PID || p.Process == n.Process) && p.has(n.Mark)
	}
	for _, p := range heirs(all, own) {
		if p.lives() && !above[p.PID] {
			living = append(living, p.Process)
		}
	}
	return living
}
