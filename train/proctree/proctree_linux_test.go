package proctree

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays a process when this variable names a part.
const partEnv = "WEFT_TEST_PART"

func TestMain(m *testing.M) {
	if part := os.Getenv(partEnv); part != "" {
		parts[part]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// life is a pipe that the parts inherit: it ends when all of them have.
var life = os.NewFile(3, "life")

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rank starts a rank in a session of its own, as torchrun does, and returns once it is up.
func rank(env []string) {
	signal.Ignore(syscall.SIGTERM)
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.ExtraFiles, cmd.SysProcAttr = append(env, partEnv+"=rank"), []*os.File{life}, &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	_, err = out.Read(make([]byte, 1))
	check(err)
}

var parts = map[string]func(){
	"rank": func() {
		fmt.Println("up") // SIGTERM is ignored by inheritance
		time.Sleep(time.Hour)
	},
	"launcher": func() {
		rank(os.Environ())
		rank(os.Environ())
		fmt.Fprintln(life, "2 ranks")
		time.Sleep(time.Hour)
	},
	"launcher without marks": func() {
		rank(nil)
		fmt.Fprintln(life, "1 rank")
		time.Sleep(time.Hour)
	},
	// node starts a launcher, and leaves its end to others.
	"node": func() {
		_, err := begin("launcher", os.Getenv("NOTES"), life)
		check(err)
		time.Sleep(time.Hour)
	},
	// adopter starts a process that leaves another behind, which ends then, and says how both ended.
	"adopter": func() {
		check(Adopt(context.Background()))
		tree, err := begin("parent", "", life)
		check(err)
		fmt.Fprintln(life, tree.Wait())
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			zombies := 0
			for _, p := range readProcs() {
				if p.parent == os.Getpid() {
					zombies++
				}
			}
			if zombies == 0 || time.Now().After(deadline) {
				fmt.Fprintln(life, zombies, "children")
				return
			}
		}
	},
	"parent": func() {
		for range 3 {
			check(exec.Command("sleep", "0.1").Start())
		}
		os.Exit(7)
	},
}

// begin starts a part as a tree.
func begin(part, notes string, life *os.File) (*Tree, error) {
	mark := fmt.Sprintf("WEFT_TEST_MARK=%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = append(os.Environ(), partEnv+"="+part, mark), []*os.File{life}, os.Stderr
	return Start(cmd, mark, notes)
}

// lives returns the ends of a pipe that shows who lives.
func lives(t *testing.T) (*bufio.Reader, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(r), w
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(s)
}

// ended waits until all who had the pipe are gone.
func ended(t *testing.T, r *bufio.Reader, own *os.File) {
	t.Helper()
	own.Close()
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatalf("a process lives on: %v", err)
	}
}

// A launcher's ranks end with it: those in sessions of their own too, and one without the mark that was seen while its parent lived.
func TestEnd(t *testing.T) {
	for _, part := range []string{"launcher", "launcher without marks"} {
		r, w := lives(t)
		tree, err := begin(part, "", w)
		if err != nil {
			t.Fatal(err)
		}
		line(t, r)
		if !tree.Launches() {
			t.Error("it has no processes")
		}
		tree.Signal(syscall.SIGKILL)
		if err := tree.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("it ended by %v", err)
		}
		if left := tree.End(20 * time.Second); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		ended(t, r, w)
	}
}

// killed starts a node, which starts a launcher, and kills it with SIGKILL.
func killed(t *testing.T, notes string) (*bufio.Reader, *os.File) {
	t.Helper()
	r, w := lives(t)
	node := exec.Command(os.Args[0])
	node.Env, node.ExtraFiles = append(os.Environ(), partEnv+"=node", "NOTES="+notes), []*os.File{w}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	line(t, r)
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = node.Wait() // by SIGKILL
	return r, w
}

// What a killed node has left is ended by its next life, and what another node of the same user has, dead or alive, is not.
func TestSweep(t *testing.T) {
	a, b, c := t.TempDir(), t.TempDir(), t.TempDir()
	rA, wA := killed(t, a)
	rB, wB := killed(t, b)
	rC, wC := lives(t)
	living, err := begin("launcher", c, wC)
	if err != nil {
		t.Fatal(err)
	}
	line(t, rC)

	gone, left, err := Sweep(a, 20*time.Second)
	if err != nil || len(gone) == 0 || len(left) > 0 {
		t.Fatalf("ended %v, left %v, %v", gone, left, err)
	}
	if files, err := os.ReadDir(a); err != nil || len(files) > 0 {
		t.Errorf("notes left: %v, %v", files, err)
	}
	for _, p := range gone {
		if p.Lives() {
			t.Errorf("%v lives", p)
		}
	}
	if n := noteOf(t, b); len(marked(n)) == 0 {
		t.Error("another node's rank is gone, too")
	}
	if len(living.look()) != 3 {
		t.Error("a living node's processes are gone, too")
	}

	n := noteOf(t, b)
	rank := marked(n)[0]
	for what, n := range map[string]noted{
		"a life of the machine that is over": {n.Process, n.Mark, "another"},
		"a start after the process":          {Process{n.PID, rank.Start + 1}, n.Mark, n.Boot},
		"another mark":                       {n.Process, n.Mark + "0", n.Boot},
	} {
		data, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, "start-1.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if gone, left, err := Sweep(other, time.Second); err != nil || len(gone) > 0 || len(left) > 0 || !rank.Lives() {
			t.Errorf("%s: ended %v, left %v, %v", what, gone, left, err)
		}
	}
	if _, _, err := Sweep(b, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	living.Signal(syscall.SIGKILL)
	_ = living.Wait() // by SIGKILL
	living.End(20 * time.Second)
	ended(t, rC, wC)
	ended(t, rA, wA)
	ended(t, rB, wB)
}

// noteOf returns the one note of a folder.
func noteOf(t *testing.T, folder string) noted {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("notes %v, %v", files, err)
	}
	n, ok := readNote(files[0])
	if !ok {
		t.Fatal("no note")
	}
	return n
}

// Orphans are waited for, and who was started here is left to its Wait.
func TestAdopt(t *testing.T) {
	r, w := lives(t)
	adopter := exec.Command(os.Args[0])
	adopter.Env, adopter.ExtraFiles, adopter.Stderr = append(os.Environ(), partEnv+"=adopter"), []*os.File{w}, os.Stderr
	if err := adopter.Start(); err != nil {
		t.Fatal(err)
	}
	if got := line(t, r); got != "exit status 7" {
		t.Errorf("its own process ended by %s", got)
	}
	if got := line(t, r); got != "0 children" {
		t.Errorf("left behind: %s", got)
	}
	if err := adopter.Wait(); err != nil {
		t.Error(err)
	}
}

func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"pid":1,"start":5,"mark":"A=b","boot":"x"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "start-1.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, ok := readNote(path); ok && n.Mark == "" {
			t.Error("a note of no tree")
		}
	})
}
