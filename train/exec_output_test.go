package train

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// simpleLines is eachLine on a text in memory.
func simpleLines(text string) (lines []string) {
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimRight(l, "\r")
		l = l[strings.LastIndexByte(l, '\r')+1:]
		l = l[:min(len(l), maxLine)]
		if strings.TrimSpace(l) != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

func TestEachLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab \n\r")), 0, 40, -1).Draw(t, "text")
		var got []string
		eachLine(iotest.OneByteReader(strings.NewReader(text)), func(l string) { got = append(got, l) })
		if want := simpleLines(text); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
	var got []string
	eachLine(strings.NewReader(strings.Repeat("x", maxLine+9)+"\n\xff!"), func(l string) { got = append(got, l) })
	if len(got) != 2 || len(got[0]) != maxLine || got[1] != "\uFFFD!" {
		t.Errorf("got %.20q", got)
	}
}

func TestTail(t *testing.T) {
	var tl tail
	if len(tl.lines()) != 0 {
		t.Error("not empty")
	}
	for i := range tailLines + 5 {
		tl.add(fmt.Sprint(i))
	}
	if got := tl.lines(); len(got) != tailLines || got[0] != "5" || got[tailLines-1] != fmt.Sprint(tailLines+4) {
		t.Errorf("got %q", got)
	}
}
