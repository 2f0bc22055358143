package local

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/train"
)

// Script is a user's own command as every site's trainer. In its arguments {i}, {name}, {sites} and {data} stand for the site's
// number, from 1, its name, how many sites there are and the site's file of data.
type Script struct {
	Command []string
	Dir     string   // where it runs
	Sites   []string // names
	Data    []string // each site's file; empty if there is none
}

// Validate says what is wrong with the command, if anything.
func (s *Script) Validate() error {
	for i := range s.Sites {
		t, err := train.NewExec(train.ExecConfig{Command: s.filled(i), Dir: s.Dir}) // which starts nothing
		if err != nil {
			return err
		}
		if err := t.Close(); err != nil {
			return err
		}
	}
	return nil
}

// trainer is trainer: in config.yaml; JSON is YAML too.
type trainer struct {
	Exec  []string `json:"exec"`
	Dir   string   `json:"dir"`
	Env   []string `json:"env"`
	Grace string   `json:"grace"`
}

// Trainer returns what a site's config.yaml says of its trainer.
func (s *Script) Trainer(i int) string {
	t := trainer{Exec: s.filled(i), Dir: s.Dir, Grace: "5s", Env: []string{"WEFT_SITE=" + s.Sites[i], "PYTHONUNBUFFERED=1"}}
	if _, set := os.LookupEnv("OMP_NUM_THREADS"); !set {
		t.Env = append(t.Env, "OMP_NUM_THREADS="+strconv.Itoa(ThreadsEach(len(s.Sites))))
	}
	if all := gpus(); len(all) > 0 {
		t.Env = append(t.Env, "CUDA_VISIBLE_DEVICES="+deal(all, i, len(s.Sites)))
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

// filled is a site's command.
func (s *Script) filled(i int) (command []string) {
	data := ""
	if len(s.Data) > 0 {
		data = s.Data[i]
	}
	fill := strings.NewReplacer("{i}", strconv.Itoa(i+1), "{name}", s.Sites[i], "{sites}", strconv.Itoa(len(s.Sites)), "{data}", data)
	for _, arg := range s.Command {
		command = append(command, fill.Replace(arg))
	}
	return command
}

// ThreadsEach is how many threads each site's trainer gets of this machine's.
func ThreadsEach(sites int) int { return max(1, runtime.NumCPU()/max(1, sites)) }

// gpus returns the names of this machine's GPUs that the script may use.
func gpus() (names []string) {
	if set, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok {
		return slices.DeleteFunc(strings.Split(set, ","), func(s string) bool { return s == "" })
	}
	devices, err := filepath.Glob("/dev/nvidia[0-9]*")
	if err != nil || len(devices) == 0 {
		return nil
	}
	if _, err := exec.LookPath("nvidia-smi"); err != nil {
		return nil // a driver without its tools is likely none that CUDA can use
	}
	for i := range devices {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

// deal returns the GPUs of a site: an equal part, or one that it shares if there are fewer than sites.
func deal(names []string, i, sites int) string {
	if len(names) < sites {
		return names[i%len(names)]
	}
	each := len(names) / sites
	return strings.Join(names[i*each:(i+1)*each], ",")
}
