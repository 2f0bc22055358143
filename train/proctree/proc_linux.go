package proctree

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// proc is a process as /proc shows it.
type proc struct {
	Process
	parent, group int
	state         byte // Z: it has ended, and nobody has waited for it
}

// readProc returns a process, ok false if there is none.
func readProc(pid int) (p proc, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	// The name stands in parentheses, and may have some itself.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return p, false
	}
	p.PID, p.state = pid, fields[0][0]
	p.parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return p, false
	}
	if p.group, err = strconv.Atoi(fields[2]); err != nil {
		return p, false
	}
	p.Start, err = strconv.ParseUint(fields[19], 10, 64)
	return p, err == nil
}

// readProcs returns all processes that can be seen, by number.
func readProcs() map[int]proc {
	all := map[int]proc{}
	dirs, _ := os.ReadDir("/proc") // what cannot be read shows nobody
	for _, d := range dirs {
		if pid, err := strconv.Atoi(d.Name()); err == nil {
			if p, ok := readProc(pid); ok {
				all[pid] = p
			}
		}
	}
	return all
}

// lives reports whether a process has not ended.
func (p proc) lives() bool { return p.state != 'Z' && p.state != 'X' }

// has reports whether a process was started with an entry in its environment, as far as that can be read.
func (p proc) has(mark string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
	return err == nil && slices.Contains(strings.Split(string(data), "\x00"), mark)
}

// Of returns the process that has a number now, none if there is no such process.
func Of(pid int) Process {
	p, _ := readProc(pid)
	return p.Process
}

// begun returns when a process began, 0 if it is gone.
func begun(pid int) uint64 {
	p, _ := readProc(pid)
	return p.Start
}

// boot returns a name of the machine's present life, in which processes' numbers and starts mean something.
func boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // empty where there is none
	return strings.TrimSpace(string(id))
}

// heirs returns those of a set, and all that descend from them.
func heirs(all map[int]proc, of map[int]bool) []proc {
	list := []proc{}
	for pid, p := range all {
		for at, ok := p, true; ok && at.PID > 1; at, ok = all[at.parent] {
			if of[at.PID] {
				list = append(list, all[pid])
				break
			}
		}
	}
	return list
}
