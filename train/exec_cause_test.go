package train

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scripts are Python programs that end badly, and the cause that is told.
var scripts = []struct{ name, script, want string }{
	{"one line", `raise RuntimeError("CUDA out of memory")`, "RuntimeError: CUDA out of memory"},
	{"several lines", `raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported.\nCompile with TORCH_USE_CUDA_DSA")`,
		"RuntimeError: CUDA error: out of memory CUDA kernel errors might be asynchronously reported. Compile with TORCH_USE_CUDA_DSA"},
	{"second line", `raise ValueError("a\nsecond line")`, "ValueError: a second line"},
	{"first line empty", `raise ValueError("\nsecond line")`, "ValueError: second line"},
	{"details set in", `raise RuntimeError("Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: \"0.bias\". \n\tUnexpected key(s) in state_dict: \"x\". ")`,
		`RuntimeError: Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "0.bias". Unexpected key(s) in state_dict: "x".`},
	{"quoted", `{}["weight"]`, "KeyError: 'weight'"},
	{"no message", `assert 1 > 2`, "AssertionError"},
	{"chained", "try:\n    {}['weight']\nexcept KeyError as e:\n    raise RuntimeError('cannot load') from e", "RuntimeError: cannot load"},
	{"during another", "try:\n    {}['weight']\nexcept KeyError:\n    raise RuntimeError('cannot load')", "RuntimeError: cannot load"},
	{"own type", "class Bad(Exception): pass\nBad.__module__ = 'own.errors'\nraise Bad('no data: none')", "own.errors.Bad: no data: none"},
	{"local type", "def f():\n    class Bad(Exception): pass\n    Bad.__module__ = 'own'\n    raise Bad('x')\nf()", "own.f.<locals>.Bad: x"},
	{"syntax", "x = )", "SyntaxError: unmatched ')'"},
	{"syntax of an import", "import broken", "SyntaxError: unmatched ')'"},
	{"deep", "def f(n):\n    g(n)\ndef g(n):\n    if n: f(n - 1)\n    raise ValueError('a\\nb')\nf(20)", "ValueError: a b"},
	{"raised again", "class Again(Exception): pass\nraise Again('Caught ValueError in worker 0.\\nOriginal Traceback (most recent call last):\\n  File \"w.py\", line 1\\nValueError: bad sample')",
		"ValueError: bad sample"},
	{"ignored at the end", "class A:\n    def __del__(self): 1/0\na = A()\nraise ValueError('first')", "ValueError: first"},
	{"group", "raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])", "ExceptionGroup: two (2 sub-exceptions) 1 ValueError: a 2 KeyError: 'b'"},
	{"handled long ago", "import sys, traceback\ntry:\n    raise ConnectionError('hub is down')\nexcept ConnectionError:\n    traceback.print_exc()\nfor i in range(60): print('epoch', i, file=sys.stderr)\nsys.exit('no training data in /data')",
		"no training data in /data"},
	{"no traceback", "import sys\nsys.exit('no data')", "no data"},
	{"long", "raise ValueError('é' * 200)", "ValueError: " + strings.Repeat("é", 144) + "…"},
}

// The cause is found in what Python really writes.
func TestCause(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "no python3")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("broken.py", "x = )")
	for i, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			write(fmt.Sprintf("%d.py", i), c.script)
			cmd := exec.Command(python, fmt.Sprintf("%d.py", i))
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if cmd.Run() == nil {
				t.Fatal("it ends well")
			}
			var last tail
			eachLine(strings.NewReader(stderr.String()), last.add)
			if got, _ := cause(last.lines()); got != c.want {
				t.Errorf("got %q, want %q, of\n%s", got, c.want, stderr.String())
			}
		})
	}
}

func TestCauseOfLines(t *testing.T) {
	for want, lines := range map[string][]string{
		"":              nil,
		"no data":       {"loading", "no data", "hint: name a folder", "  of texts"},
		"ValueError: x": {"[rank0]: " + tracebackHead, `[rank0]:   File "t.py", line 1`, "[rank0]: ValueError: x"},
		tracebackHead:   {tracebackHead, `  File "t.py", line 3`}, // killed while it wrote
	} {
		if got, _ := cause(lines); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPlace: the place is in the user's own files, where the last traceback ends there.
func TestPlace(t *testing.T) {
	for want, text := range map[string]string{
		"": "no data",
		"train.py:12 in main": `Traceback (most recent call last):
  File "/home/ana/train.py", line 30, in <module>
    main()
  File "/home/ana/train.py", line 12, in main
    model(x)
  File "/venv/lib/python3.12/site-packages/torch/nn/modules/module.py", line 1773, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
ValueError: bad`,
		"data.py:3": `Traceback (most recent call last):
  File "train.py", line 2, in f
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "data.py", line 3, in <module>
ValueError: b`,
	} {
		if got := place(strings.Split(text, "\n")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
