//go:build !linux

package doctor

// clock cannot be asked for here.
func clock() Finding {
	return Finding{"clock", Warning, "whether the clock is kept right is known on Linux only", ""}
}
