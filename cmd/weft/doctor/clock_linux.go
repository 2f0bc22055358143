package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// unsynchronised is STA_UNSYNC of linux/timex.h, see adjtimex(2).
const unsynchronised = 0x40

// clock asks the kernel whether something keeps the clock right. Agreement needs no clock; deadlines, logs and certificates of
// other programs are read by it.
func clock() Finding {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return Finding{"clock", Warning, fmt.Sprintf("the kernel does not say whether the clock is kept right: %v", err), ""}
	}
	if t.Status&unsynchronised != 0 {
		return Finding{"clock", Warning, "nothing keeps the clock right, or the kernel is not told", "run chrony or systemd-timesyncd, so that times in logs and histories can be compared between sites"}
	}
	return Finding{Check: "clock", Level: Good, Text: fmt.Sprintf("kept right, to within %s", (time.Duration(t.Maxerror) * time.Microsecond).Round(time.Millisecond))}
}
