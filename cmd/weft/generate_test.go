package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// A text cannot command the terminal that it is shown on; a program gets it as it is.
func TestGeneratedText(t *testing.T) {
	const text = "a\tb\nc\x1b]0;title\x07\x1b[31mred\x1b[0m\u009b2J\x7f\r\x00\ufffdé"
	for _, c := range []struct {
		tty, json bool
		want      string
	}{
		{false, false, text + "\n"},
		{true, false, "a\tb\nc]0;titlered2J\ufffdé\n"},
		{true, true, `"text": "a\tb\nc]0;titlered2J` + "\ufffdé\""},
	} {
		var b bytes.Buffer
		e := &env{out: term.New(&b), json: c.json}
		e.out.TTY = c.tty
		if err := showGenerated(e, api.Generated{Text: text}); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("terminal %t, json %t: %q, %v", c.tty, c.json, b.String(), err)
		}
	}
}
