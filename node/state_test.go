package node

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train"
)

// counterEnv makes the test's program a trainer that counts its updates in the run's folder; it names a file without
// which no second round is trained.
const counterEnv = "WEFT_TEST_COUNTER"

func TestMain(m *testing.M) {
	if gate := os.Getenv(counterEnv); gate != "" {
		if err := count(gate); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// These tests mostly wait for nodes; -parallel says otherwise.
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// count is the trainer: each update tells, as a metric, how many there have been before in the run.
func count(gate string) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", os.Getenv("WEFT_SOCKET"))
	}}}
	for {
		var task struct {
			ID uint64
			train.Task
		}
		resp, err := client.Get("http://weft/v1/task?wait=30")
		if err != nil {
			return err
		}
		data, err := io.ReadAll(resp.Body)
		if err != nil || len(data) == 0 {
			return err
		}
		if err := json.Unmarshal(data, &task); err != nil || task.Kind != train.Train {
			return err // told to stop
		}
		for task.Round == 2 {
			if _, err := os.Stat(gate); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		counter := filepath.Join(task.StateDir, "count")
		text, _ := os.ReadFile(counter)
		before, _ := strconv.Atoi(string(text)) // 0 if there is none
		base, err := os.ReadFile(task.Base)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(task.Dir, "update"), base, 0o600); err != nil {
			return err
		}
		body := fmt.Sprintf(`{"task":%d,"update":"update","samples":1,"metrics":{"before":%d}}`, task.ID, before)
		if err := os.WriteFile(counter, []byte(strconv.Itoa(before+1)), 0o600); err != nil {
			return err
		}
		if _, err := client.Post("http://weft/v1/update", "application/json", bytes.NewReader([]byte(body))); err != nil {
			return err
		}
	}
}

// What a trainer keeps in the run's folder is there for its next task, also after a restart, until the run is over.
func TestStateFolder(t *testing.T) {
	t.Parallel()
	gate, model := filepath.Join(t.TempDir(), "gate"), writeModel(t, one)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := newTestMesh(t, 1, func(_, config string) string {
		return fmt.Sprintf("name: a\nlisten: [/ip4/127.0.0.1/tcp/0]\naccept: auto\ntrainer: {exec: [%q], env: [%s=%s]}\n", program, counterEnv, gate)
	})[0]
	s.up()
	reply, err := s.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "counted", Rounds: 3}, Model: model})
	if err != nil {
		t.Fatal(err)
	}
	run := reply.Run
	s.await("the second round's training", func(st *api.Status) bool { return runOf(st, run).Trains == 2 })
	s.down()
	folder := filepath.Join(s.dir, site.StateDir, run.String())
	if text, err := os.ReadFile(filepath.Join(folder, "count")); err != nil || string(text) != "1" {
		t.Errorf("after a round and a restart the folder has %q, %v", text, err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.up()
	for i, h := range s.awaitRounds(run, 3).History {
		if before := h.Metrics["a"]["before"]; before != float64(i) {
			t.Errorf("round %d: the trainer remembers %v updates", i+1, before)
		}
	}
	gone := func(*api.Status) bool { _, err := os.Stat(folder); return os.IsNotExist(err) }
	s.await("the folder's end", gone)
	s.await("the trainer's end", func(*api.Status) bool { return s.node.trainer.(*train.Exec).Process(run.String()) == 0 })
	// A crash came before the folder's end; another run's is not known.
	s.down()
	other := filepath.Join(s.dir, site.StateDir, block.Sum(block.DagCBOR, []byte("other")).String())
	for _, dir := range []string{folder, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.up()
	s.await("the folder's end after a restart", gone)
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the folder of a run that the ledger does not know: %v", err)
	}
}
