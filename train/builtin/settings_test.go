package builtin_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
)

// What keeps a trainer from being made is said with the field that is at fault, and one hint.
func TestSettingsErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.yaml")
	nothing := &builtin.Settings{}
	nothing.Builtin.Data = "nothing.txt"
	for _, c := range []struct {
		settings train.Settings
		want     string
	}{
		{&train.ExecSettings{Exec: []string{"sh"}, Dir: "nowhere"},
			"trainer command cannot be started: working directory: stat " + dir + "/nowhere: no such file or directory\n  hint: trainer.dir in " + config + " names the folder"},
		{&train.ExecSettings{Exec: []string{"sh"}, Dir: "train.py"},
			"trainer command cannot be started: working directory: " + dir + "/train.py is not a folder\n  hint: trainer.dir in " + config + " names the folder"},
		{&train.ExecSettings{Exec: []string{"pyton3", "train.py"}},
			"trainer command cannot be started: \"pyton3\" is not in PATH\n  hint: install it, or give its full path; trainer.exec in " + config + " names the command"},
		{&train.ExecSettings{Exec: []string{"./train.py"}},
			"trainer command cannot be started: \"./train.py\" is not executable\n  hint: chmod +x, or name its interpreter first; trainer.exec in " + config + " names the command"},
		{nothing,
			"no text to train on: stat " + dir + "/nothing.txt: no such file or directory\n  hint: trainer.builtin.data in " + config + " names the text"},
	} {
		env := train.Env{Dir: dir, Config: config, RunDir: dir}
		if _, err := c.settings.New(env); err == nil || err.Error() != c.want {
			t.Errorf("got\n%v\nwant\n%s", err, c.want)
		}
	}
}
