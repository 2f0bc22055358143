package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// writer is the synthetic trainer, which answers prompts when it may, and says what became of each.
type writer struct {
	train.Synthetic
	begun chan train.Task
	may   chan bool
	ended chan error
}

func (w *writer) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if task.Kind != train.Generate || task.Generate.Prompt == "synthetic" {
		return w.Synthetic.Run(ctx, task, report)
	}
	w.begun <- task
	select {
	case <-w.may:
		return train.Result{Text: task.Generate.Prompt + "\x1b[2J"}, nil
	case <-ctx.Done():
		w.ended <- ctx.Err()
		return train.Result{}, ctx.Err()
	}
}

// The site's trainer generates with any model that the site holds, one task at a time, and no longer for a client that is gone.
func TestGenerate(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	w := &writer{begun: make(chan train.Task), may: make(chan bool), ended: make(chan error)}
	s.trainer = w
	upAll([]*testSite{s})
	run := s.start(ledger.RunSpec{Name: "letters", Rounds: 2})
	model := s.awaitRounds(run, 2).History[1].Model
	ask := api.GenerateRequest{Model: model, Prompt: "Dear Dr", MaxTokens: 8, Temperature: 0.5, Seed: 7}

	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := s.client.Generate(ctx, run, ask); gone <- err }()
	task := <-w.begun
	if task.Round != 2 || task.Rounds != 2 || task.Seed != 7 || task.Name != "letters" || task.Base == "" || *task.Generate != (train.Generation{Prompt: "Dear Dr", MaxTokens: 8, Temperature: 0.5}) {
		t.Errorf("%+v, %+v", task, task.Generate)
	}
	made := make(chan api.Generated)
	go func() {
		got, err := s.client.Generate(t.Context(), run, ask)
		if err != nil {
			t.Error(err)
		}
		made <- got
	}()
	select {
	case <-w.begun:
		t.Fatal("two tasks at a time")
	case <-time.After(50 * time.Millisecond):
	}
	leave()
	if err := <-gone; err == nil {
		t.Error("a client that is gone has an answer")
	}
	if err := <-w.ended; err != context.Canceled {
		t.Error(err)
	}
	<-w.begun
	w.may <- true
	if got := <-made; got.Text != "Dear Dr\x1b[2J" || got.Round != 2 || got.Model != model || got.Run != run {
		t.Errorf("%+v", got)
	}
	for want, change := range map[string]func(*api.GenerateRequest){
		"is no model of that run": func(r *api.GenerateRequest) { r.Model = run },
		"prompt: missing":         func(r *api.GenerateRequest) { r.Prompt = "" },
		"max_tokens: 0":           func(r *api.GenerateRequest) { r.MaxTokens = 0 },
		"this site's trainer generates no text: the synthetic trainer": func(r *api.GenerateRequest) { r.Prompt = "synthetic" },
	} {
		bad := ask
		change(&bad)
		if _, err := s.client.Generate(t.Context(), run, bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
