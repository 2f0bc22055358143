package train

import (
	"context"
	"testing"
	"time"
)

// TestDue: a training should end at the bell of its run or before the site's own limit, whichever comes first.
func TestDue(t *testing.T) {
	e, now := &Exec{cfg: ExecConfig{Timeout: 20 * time.Minute}}, time.Now()
	limited, cancel := context.WithDeadline(t.Context(), now.Add(20*time.Minute))
	defer cancel()
	for _, c := range []struct {
		ctx        context.Context
		bell, want time.Time
	}{
		{t.Context(), time.Time{}, time.Time{}},
		{t.Context(), now.Add(time.Hour), now.Add(time.Hour)},
		{limited, time.Time{}, now.Add(19 * time.Minute)},
		{limited, now.Add(time.Hour), now.Add(19 * time.Minute)},
		{limited, now.Add(time.Minute), now.Add(time.Minute)},
	} {
		if got := e.due(c.ctx, c.bell); !got.Equal(c.want) {
			t.Errorf("bell %v: due %v, want %v", c.bell, got, c.want)
		}
	}
}
