package train

import (
	"strings"
	"testing"
)

// What the ranks and their launchers write when one fails, and then the others, which lose their connection to it.
const (
	markedRanks = `[rank1]: Traceback (most recent call last):
[rank1]:   File "/home/ana/train.py", line 12, in load
[rank1]:     raise ValueError("bad sample")
[rank1]: ValueError: bad sample
[rank0]: Traceback (most recent call last):
[rank0]:   File "/home/ana/train.py", line 30, in <module>
[rank0]:     dist.all_reduce(x)
[rank0]: RuntimeError: Connection closed by peer
W1126 13:02:01.000 140 torch/distributed/elastic: Sending process 141 closing signal SIGTERM
`
	torchrunEnd = `E1126 13:02:02.000 140 torch/distributed/elastic: failed (exitcode: 1) local_rank: 1 (pid: 142) of binary: python3
Traceback (most recent call last):
  File "/venv/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/venv/lib/python3.12/site-packages/torch/distributed/run.py", line 10, in main
    run(args)
torch.distributed.elastic.multiprocessing.errors.ChildFailedError: 
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  rank      : 0 (local_rank: 0)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 142)
============================================================
`
	plainRanks = `Traceback (most recent call last):
  File "/home/ana/data.py", line 3, in read
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/ana/train.py", line 12, in load
ValueError: bad sample
Traceback (most recent call last):
  File "/home/ana/train.py", line 30, in <module>
RuntimeError: Connection closed by peer
`
	callEnd = `Traceback (most recent call last):
  File "/venv/bin/launch", line 8, in <module>
subprocess.CalledProcessError: Command '['python3', 'train.py']' returned non-zero exit status 1.
`
)

// TestFirstRank: of several processes the cause, and its place, are those of the one that failed first.
func TestFirstRank(t *testing.T) {
	handled := "Traceback (most recent call last):\n  File \"hub.py\", line 1\nConnectionError: hub is down\n" + strings.Repeat("epoch\n", 60)
	for name, text := range map[string]string{
		"marked":                 markedRanks,
		"marked, torchrun":       markedRanks + torchrunEnd,
		"marked twice, torchrun": strings.ReplaceAll(markedRanks, "[rank", "[default1]:[rank") + torchrunEnd,
		"torchrun's marks":       strings.ReplaceAll(markedRanks, "[rank", "[default") + torchrunEnd,
		"torchrun":               handled + plainRanks + torchrunEnd,
		"another launcher":       plainRanks + callEnd,
	} {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if got, _ := cause(lines); got != "ValueError: bad sample" {
			t.Errorf("%s: cause %q", name, got)
		}
		if got := place(lines); got != "train.py:12 in load" {
			t.Errorf("%s: place %q", name, got)
		}
	}
	if got, _ := cause(strings.Split(strings.TrimSuffix(callEnd, "\n"), "\n")); !strings.HasPrefix(got, "subprocess.CalledProcessError: Command") {
		t.Errorf("a launcher alone: %q", got)
	}
}
