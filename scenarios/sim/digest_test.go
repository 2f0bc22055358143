package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

var (
	digestFlag  = flag.Uint64("digest", 0, "print the digest of the trials of seeds 1 to this one")
	digestList  = flag.String("digest-list", "", "with -digest, write each trial's own digest to this file, a line each")
	digestEager = flag.Bool("eager", false, "with -digest: every machine looks at everything after every event")
	digestWrite = flag.Bool("rewrite", false, "write testdata/digest.txt anew")
)

const (
	digestFile  = "testdata/digest.txt"
	digestSeeds = 10 // of the golden digest
	transcripts = "../../round/testdata"
)

// TestDigest hashes all that the protocol asks of its drivers. A change that only moves code leaves
// every hash as it is; one that alters a single vote, job or alarm of one site in one trial does not.
// It compares a few seeds with testdata; with -digest it prints the digest of many instead.
func TestDigest(t *testing.T) {
	seeds := *digestFlag
	if seeds == 0 {
		seeds = digestSeeds
		if runtime.GOARCH != "amd64" {
			t.Skip("trials draw with floating point, which other processors may fuse: the golden digest is amd64's")
		}
	}
	start := time.Now()
	trials := digestTrials(t, seeds, *digestEager)
	if t.Failed() {
		return
	}
	got := trials.report(digestTranscripts(t))
	if *digestList != "" {
		if err := os.WriteFile(*digestList, []byte(trials.list()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case *digestFlag > 0:
		fmt.Print(got)
		t.Logf("seeds 1 to %d in %v", seeds, time.Since(start).Round(time.Second))
	case *digestWrite:
		if err := os.WriteFile(digestFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		want, err := os.ReadFile(digestFile)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("what the machines ask for has changed:\n%swant\n%sif that is meant: go test ./scenarios/sim -run TestDigest -rewrite", got, want)
		}
	}
}

// TestEager: what a machine looks at again follows from what has changed. A machine that looks at everything
// after every event asks for the same. go test ./scenarios/sim -run 'TestDigest$' -digest 500 -eager compares many seeds.
func TestEager(t *testing.T) {
	for seed := uint64(66); seed <= 100; seed++ { // before 85 showed it, what a log brought back was not looked at
		trial := NewTrial(seed, 0, "", seed%2 == 0)
		if trial.Sites > 7 { // the large ones take long
			continue
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if eager, lazy := digestTrial(t, trial, true), digestTrial(t, trial, false); !bytes.Equal(eager, lazy) {
				t.Errorf("a machine that looks at everything after every event asks for something else")
			}
		})
	}
}

// The digest tells two jobs apart by whatever field they differ in, and does not know the package of a
// kind.
func TestDigestJobs(t *testing.T) {
	run, other := block.Sum(block.Raw, []byte("run")), block.Sum(block.Raw, []byte("other"))
	spec := &ledger.RunSpec{Name: "a", Train: map[string]string{"lr": "1"}}
	jobs := []runs.Job{
		runs.StopTrain{Run: run}, runs.StopTrain{Run: other}, runs.Forget{Run: run}, runs.Forget{Manifest: run},
		runs.Forget{Run: run, Update: true}, runs.Consider{Run: run}, runs.Consider{Run: run, Spec: spec},
		runs.Consider{Run: run, Spec: &ledger.RunSpec{Name: "a", Train: map[string]string{"lr": "2"}}},
		runs.Train{Run: run, Round: 1}, runs.Train{Run: run, Opened: 1}, runs.Train{Run: run, Attempt: 1},
		runs.Fetch{Run: run, Owner: "a"}, runs.Fetch{Run: run}, runs.Reduce{Run: run},
		runs.Reduce{Run: run, Inputs: []ledger.Input{{Site: "a", Weight: 1}}},
		runs.Reduce{Run: run, Inputs: []ledger.Input{{Site: "a", Weight: 2}}},
		runs.Reduce{Run: run, Inputs: []ledger.Input{{Site: "a"}, {Site: "b"}}},
		runs.Reduce{Run: run, Inputs: []ledger.Input{{Site: "b"}, {Site: "a"}}},
	}
	seen := map[string]runs.Job{}
	for _, j := range jobs {
		text := string(appendPlain(nil, reflect.ValueOf(j)))
		if twin, twice := seen[text]; twice {
			t.Errorf("%+v and %+v are both %q", twin, j, text)
		}
		seen[text] = j
	}
	if text := string(appendPlain(nil, reflect.ValueOf(runs.Forget{Run: run, Update: true}))); text != "Forget{Run:"+run.String()+" Update:true}" {
		t.Errorf("a job is %q", text)
	}
}

// digests are those of the trials of seeds 1 to n: as drawn, and with a roster that changes.
type digests struct{ drawn, roster [][]byte }

// digestTrials plays the trials on two cores.
func digestTrials(t *testing.T, seeds uint64, eager bool) digests {
	d := digests{drawn: make([][]byte, seeds), roster: make([][]byte, seeds)}
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for seed := next.Add(1); seed <= seeds && !t.Failed(); seed = next.Add(1) {
				drawn, roster := NewTrial(seed, 0, "", false), NewTrial(seed, 0, "", true)
				d.drawn[seed-1] = digestTrial(t, drawn, eager)
				d.roster[seed-1] = d.drawn[seed-1]
				if drawn.String() != roster.String() {
					d.roster[seed-1] = digestTrial(t, roster, eager)
				}
			}
		})
	}
	wg.Wait()
	return d
}

// digestTrial returns the hash of all work of all sites of a trial, in the order in which it came.
func digestTrial(t *testing.T, trial *Trial, eager bool) []byte {
	d := hasher{sha256.New()}
	c := trial.Config()
	c.Check, c.Eager = false, eager
	c.Work = d.work
	if _, err := trial.play(c); err != nil {
		report(t, trial, err)
	}
	return d.Sum(nil)
}

// report returns the digest as text.
func (d digests) report(transcripts []byte) string {
	drawn, roster := sum(d.drawn...), sum(d.roster...)
	return fmt.Sprintf("trials             %x\ntrials, roster     %x\ntranscripts        %x\ndigest             %x\n",
		drawn, roster, transcripts, sum(drawn, roster, transcripts))
}

// list returns a line for each trial, to find with diff which ones a change has altered.
func (d digests) list() string {
	var b strings.Builder
	for i := range d.drawn {
		fmt.Fprintf(&b, "seed %d: %x, roster %x\n", i+1, d.drawn[i], d.roster[i])
	}
	return b.String()
}

// digestTranscripts returns the hash of the transcripts' names and bytes.
func digestTranscripts(t *testing.T) []byte {
	files, err := filepath.Glob(filepath.Join(transcripts, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s: %v", transcripts, err)
	}
	slices.Sort(files)
	var parts [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, []byte(filepath.Base(file)), text)
	}
	return sum(parts...)
}

// sum hashes parts so that no other division of the same bytes has the same hash.
func sum(parts ...[]byte) []byte {
	d := hasher{sha256.New()}
	for _, p := range parts {
		d.bytes(p)
	}
	return d.Sum(nil)
}

// hasher hashes what machines ask for: records and messages by their encoding, jobs by the bare name
// of their kind and their fields. What a machine traces is not part of it.
type hasher struct{ hash.Hash }

func (d hasher) work(at time.Duration, site int, w round.Work) {
	d.numbers(uint64(at), uint64(site), uint64(len(w.Save)), uint64(len(w.Send)), uint64(len(w.Jobs)), uint64(w.Alarm))
	for _, r := range w.Save {
		d.bytes(r.Encode())
	}
	for _, s := range w.Send {
		d.bytes([]byte(s.To))
		d.bytes(s.Message.Encode())
	}
	for _, j := range w.Jobs {
		d.bytes(appendPlain(nil, reflect.ValueOf(j)))
	}
}

func (d hasher) numbers(list ...uint64) {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	d.Write(b)
}

func (d hasher) bytes(b []byte) {
	d.numbers(uint64(len(b)))
	d.Write(b)
}

// appendPlain appends a value in a form that knows of a type its bare name only, which stays when the
// type moves to another package. Fields stand in order of their names and are left out when zero, so
// that a field may move or come; what a pointer leads to stands in its DAG-CBOR encoding.
func appendPlain(b []byte, v reflect.Value) []byte {
	if c, ok := v.Interface().(block.CID); ok {
		return append(b, c.String()...)
	}
	switch v.Kind() {
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.Pointer:
		return hex.AppendEncode(b, block.Encode(v.Interface()))
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			b = append(appendPlain(b, v.Index(i)), ' ')
		}
		return append(b, ']')
	case reflect.String:
		return fmt.Appendf(b, "%q", v.String())
	case reflect.Bool:
		return fmt.Appendf(b, "%t", v.Bool())
	case reflect.Uint64:
		return fmt.Appendf(b, "%d", v.Uint())
	}
	panic(fmt.Sprintf("the digest does not know how to write a %v", v.Type()))
}

func appendStruct(b []byte, v reflect.Value) []byte {
	var fields [][]byte
	for f, value := range v.Fields() {
		if !value.IsZero() {
			fields = append(fields, appendPlain([]byte(f.Name+":"), value))
		}
	}
	slices.SortFunc(fields, bytes.Compare)
	b = append(append(b, v.Type().Name()...), '{')
	return append(append(b, bytes.Join(fields, []byte(" "))...), '}')
}
