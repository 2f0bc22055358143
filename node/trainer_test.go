package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
			"trainer command cannot be started: \"pyton3\" is not in the node's PATH\n  hint: install it, or give its full path; trainer.exec in " + config + " names the command"},
		{TrainerConfig{Exec: []string{"./train.py"}},
			"trainer command cannot be started: \"./train.py\" is not executable\n  hint: chmod +x, or name its interpreter first; trainer.exec in " + config + " names the command"},
		{TrainerConfig{Builtin: &BuiltinConfig{Data: "nothing.txt"}},
			"no text to train on: stat " + dir + "/nothing.txt: no such file or directory\n  hint: trainer.builtin.data in " + config + " names the text"},
	} {
		h := &Home{Dir: dir, Config: &Config{Trainer: c.trainer}}
		if _, err := h.newTrainer(dir, slog.New(slog.DiscardHandler)); err == nil || err.Error() != c.want {
			t.Errorf("got\n%v\nwant\n%s", err, c.want)
		}
	}
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
