package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	var out bytes.Buffer
	s := newSummary(&out)
	if err := s.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	s.end()
	if out.String() != printed {
		t.Errorf("got\n%s\nwant\n%s", out.String(), printed)
	}
}

func TestNothingSkipped(t *testing.T) {
	var out bytes.Buffer
	s := newSummary(&out)
	s.take(&event{Action: "pass", Package: "m/a", Test: "TestGood"})
	if s.end(); out.String() != "1 tests, none skipped\n" {
		t.Errorf("got %s", out.String())
	}
}

// What go test -json prints, shortened: a package that is good, one that fails, one that panics, one that is not built.
const events = `go: downloading something
{"Action":"start","Package":"m/a"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"    a_test.go:3: all is well\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestNeeds","Output":"=== RUN   TestNeeds\n"}
{"Action":"output","Package":"m/a","Test":"TestNeeds","Output":"    a_test.go:9: no python3\n"}
{"Action":"output","Package":"m/a","Test":"TestNeeds","Output":"--- SKIP: TestNeeds (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestNeeds"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"    b_test.go:4: wrong\n"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad"}
{"Action":"output","Package":"m/b","Test":"TestToo/part","Output":"    b_test.go:7: no python3\n        and no other\n"}
{"Action":"skip","Package":"m/b","Test":"TestToo/part"}
{"Action":"output","Package":"m/b","Test":"TestMute","Output":"--- SKIP: TestMute (0.00s)\n"}
{"Action":"skip","Package":"m/b","Test":"TestMute"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b\t0.2s\n"}
{"Action":"fail","Package":"m/b"}
{"Action":"output","Package":"m/c","Test":"TestPanics","Output":"panic: at the disco\n"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c\t0.3s\n"}
{"Action":"fail","Package":"m/c"}
{"ImportPath":"m/d","Action":"build-output","Output":"d.go:1: undefined: x\n"}
{"ImportPath":"m/d","Action":"build-fail"}
{"Action":"output","Package":"m/d","Output":"FAIL\tm/d [build failed]\n"}
{"Action":"fail","Package":"m/d","FailedBuild":"m/d"}
`

const printed = `go: downloading something
ok  	m/a	0.1s
=== RUN   TestBad
    b_test.go:4: wrong
--- FAIL: TestBad (0.00s)
FAIL	m/b	0.2s
FAIL	m/c	0.3s
panic: at the disco
d.go:1: undefined: x
FAIL	m/d [build failed]
5 tests, 3 skipped:
  no python3
      m/a TestNeeds, m/b TestToo/part
  no reason given
      m/b TestMute
`
