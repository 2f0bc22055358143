package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/train"
)

// What keeps a trainer from being made is said with the field that is at fault, and one hint.
func TestNewTrainerErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, configName)
	for _, c := range []struct {
		trainer TrainerConfig
		want    string
	}{
		{TrainerConfig{Exec: []string{"sh"}, Dir: "nowhere"},
			"trainer command cannot be started: working directory: stat " + dir + "/nowhere: no such file or directory\n  hint: trainer.dir in " + config + " names the folder"},
		{TrainerConfig{Exec: []string{"sh"}, Dir: "train.py"},
			"trainer command cannot be started: working directory: " + dir + "/train.py is not a folder\n  hint: trainer.dir in " + config + " names the folder"},
		{TrainerConfig{Exec: []string{"pyton3", "train.py"}},
			"trainer command cannot be started: \"pyton3\" is not in PATH\n  hint: install it, or give its full path; trainer.exec in " + config + " names the command"},
		{TrainerConfig{Exec: []string{"./train.py"}},
			"trainer command cannot be started: \"./train.py\" is not executable\n  hint: chmod +x, or name its interpreter first; trainer.exec in " + config + " names the command"},
		{TrainerConfig{Builtin: &BuiltinConfig{Data: "nothing.txt"}},
			"no text to train on: stat " + dir + "/nothing.txt: no such file or directory\n  hint: trainer.builtin.data in " + config + " names the text"},
	} {
		h := &Home{Dir: dir, Config: &Config{Trainer: c.trainer}}
		if _, err := h.newTrainer(dir, dir, slog.New(slog.DiscardHandler)); err == nil || err.Error() != c.want {
			t.Errorf("got\n%v\nwant\n%s", err, c.want)
		}
	}
}

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		text string
		want []any
	}{
		{"trainer: {exec: [python3, train.py], dir: training}\naccept: auto\n", []any{"trainer", "python3 train.py", "dir", "/site/training", "accept", "auto"}},
		{"trainer: {exec: [./train]}\n", []any{"trainer", "./train", "dir", "/site", "accept", "ask"}},
		{"trainer: {builtin: {data: letters.txt}}\n", []any{"trainer", "builtin", "data", "/site/letters.txt", "accept", "ask"}},
		{"trainer: {builtin: {data: builtin:dolly}}\n", []any{"trainer", "builtin", "data", "builtin:dolly", "accept", "ask"}},
		{"trainer: {synthetic: {}}\naccept: [run: alpaca-*, {run: x, from: north}]\n", []any{"trainer", "synthetic", "accept", "run: alpaca-*, run: x from: north"}},
	} {
		config, err := ParseConfig("config.yaml", []byte("name: a\n"+c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Home{Dir: "/site", Config: config}).choices(); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A trainer that says nothing for long is warned of, once in a training.
func TestSilentTrainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(records, 8)
		n := &Node{trainer: process(4711)}
		j := &jobs{n: n, log: slog.New(slog.NewTextHandler(log, nil))}
		said := func(after time.Duration) int {
			time.Sleep(after)
			synctest.Wait()
			return len(log)
		}
		job := runs.Train{Spec: &ledger.RunSpec{Name: "letters"}}
		report, stop := j.listen(&training{job: job})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("too early")
		}
		report(train.Progress{})
		if said(trainerSilence-time.Second) > 0 {
			t.Error("though it was heard")
		}
		if n := said(2 * time.Second); n != 1 {
			t.Fatalf("after long: %d warnings", n)
		}
		if text := <-log; !strings.Contains(text, "nothing is heard of the trainer") || !strings.Contains(text, "pid=4711") || !strings.Contains(text, "name=letters") {
			t.Error(text)
		}
		report(train.Progress{})
		if said(2*trainerSilence) > 0 {
			t.Error("more than once")
		}
		stop()
		_, stop = j.listen(&training{job: job})
		stop()
		if said(2*trainerSilence) > 0 {
			t.Error("after the training")
		}
	})
}

// records are the lines of a log.
type records chan string

func (r records) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// process is a trainer that is a process.
type process int

func (p process) Process() int { return int(p) }

func (p process) Run(context.Context, train.Task, func(train.Progress)) (train.Result, error) {
	return train.Result{}, errTest
}

func TestExplain(t *testing.T) {
	exit := &train.ExitError{Command: "sh", Status: "exit status 0", Asked: true}
	for _, c := range []struct {
		err          error
		text, advice string
	}{
		{errTest, errTest.Error(), ""},
		{errors.Join(train.ErrSkipped), train.ErrSkipped.Error(), "call send once for each receive, also when a task fails"},
		{exit, `trainer "sh" ended with exit status 0 before it sent an update`, "the script ended by itself: call send before it returns"},
		{&train.ExitError{Command: "sh", Status: "exit status 1", Code: 1, Asked: true, Stderr: []string{"weft.LayoutError: 'w' is missing; hint: send it"}},
			`trainer "sh" ended with exit status 1 before it sent an update: weft.LayoutError: 'w' is missing`, "send it"},
		{errors.Join(hint(errTest, "look")), errTest.Error(), "look"},
	} {
		if text, advice := explain(c.err); text != c.text || advice != c.advice || strings.Contains(text, "hint:") {
			t.Errorf("%v: %q, %q", c.err, text, advice)
		}
	}
}
