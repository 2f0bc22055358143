package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

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
	for i := range 3*tailLines + 5 {
		tl.add(fmt.Sprint(i))
	}
	if got := tl.lines(); len(got) != tailLines || got[0] != fmt.Sprint(2*tailLines+5) || got[tailLines-1] != fmt.Sprint(3*tailLines+4) {
		t.Errorf("got %q", got)
	}
}

// TestThrottle: a calm process is never cut short, a flood is down to the rates, and every line is written or counted.
func TestThrottle(t *testing.T) {
	start := time.Unix(1e9, 0)
	for _, c := range []struct {
		name        string
		every       time.Duration
		bytes, n    int
		least, most int // lines in the log
	}{
		{"calm", time.Second / lineRate, 80, 10000, 10000, 10000},
		{"a burst", 0, 100, burstLines, burstLines, burstLines},
		{"a flood", 10 * time.Microsecond, 60, 1000000, burstLines + 8*lineRate, burstLines + 10*lineRate},
		{"long lines", time.Millisecond, maxLine, 10000, burstBytes / maxLine, (burstBytes + 10*byteRate) / maxLine},
	} {
		var th throttle
		written, omitted := 0, 0
		for i := range c.n {
			ok, before := th.admit(start.Add(time.Duration(i)*c.every), c.bytes)
			if omitted += before; ok {
				written++
			}
		}
		omitted += th.rest()
		if written < c.least || written > c.most || written+omitted != c.n || th.rest() != 0 {
			t.Errorf("%s: %d of %d lines written, %d left out", c.name, written, c.n, omitted)
		}
	}
	if got := omission(1234567) + omission(12345) + omission(999); got != "... 1,234,567 lines left out... 12,345 lines left out... 999 lines left out" {
		t.Error(got)
	}
}

// A process that floods its output is not held up, and of its lines the log has few, their run and round, and how many are missing.
func TestFlood(t *testing.T) {
	const lines = 300000
	var log bytes.Buffer
	e, err := NewExec(ExecConfig{Command: []string{"sh", "-c", fmt.Sprintf("seq 1 %d; echo the cause >&2; exit 3", lines)}, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = ran(e, t.Context(), newTask(t, Train), ignore)
	if text, _ := Explain(err); !strings.HasSuffix(text, ": the cause") {
		t.Errorf("the failure: %v", err)
	}
	written, omitted := 0, 0
	for record := range strings.Lines(log.String()) {
		var r struct {
			Msg, Run, Line string
			Round          int
		}
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			t.Fatal(err)
		}
		if r.Msg != OutputMessage {
			continue
		}
		if r.Run != "demo" || r.Round != 2 {
			t.Fatalf("of run %q, round %d: %s", r.Run, r.Round, r.Line)
		}
		if n, ok := strings.CutPrefix(r.Line, "... "); ok {
			n, _, _ = strings.Cut(n, " ")
			more, _ := strconv.Atoi(strings.ReplaceAll(n, ",", ""))
			omitted += more
		} else {
			written++
		}
	}
	if written+omitted != lines+1 || written < burstLines || written > lines/10 {
		t.Errorf("%d lines written, %d left out, of %d", written, omitted, lines+1)
	}
}
