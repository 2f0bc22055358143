package trace

import "fmt"

// What a node tells beside the protocol of its site.

// LogLost tells that a key's log is gone, and that a new one was begun.
type LogLost struct{ Subject }

// LogCut tells that the end of the log was cut off, which a crash had left unfinished.
type LogCut struct {
	Subject
	Bytes int64 `json:"bytes"`
}

// Corrupt tells that a stored artifact has gone bad.
type Corrupt struct {
	Subject
	Why string `json:"why"`
}

// Halted tells that the mesh goes on by what this program does not know.
type Halted struct {
	Subject
	Why string `json:"why"`
}

func (LogLost) Kind() Kind { return "log lost" }
func (LogCut) Kind() Kind  { return "log cut" }
func (Corrupt) Kind() Kind { return "corrupt" }
func (Halted) Kind() Kind  { return "halt" }

func (LogLost) Text() string   { return "a new log was begun" }
func (e LogCut) Text() string  { return fmt.Sprintf("%d bytes that a crash left", e.Bytes) }
func (e Corrupt) Text() string { return e.Why }
func (e Halted) Text() string  { return e.Why }

var (
	_ = register[LogLost]()
	_ = register[LogCut]()
	_ = register[Corrupt]()
	_ = register[Halted]()
)
