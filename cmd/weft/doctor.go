package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/cmd/weft/doctor"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

// examination is `weft doctor`.
type examination struct{ noTrainer bool }

func newDoctor(e *env) *cobra.Command {
	c := &examination{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what would keep this site from taking part in a run",
		Long: `Look at the site's directory, its node, the other sites, the disk, the clock and the
trainer, and say what is wrong with each and what to do about it. The trainer is
started, and ended once it has asked for its task. While the node does not run, the
other sites are dialed from here, under this site's name.

The exit code is 1 if something would fail; warnings do not count.`,
		Example: `  weft doctor
  weft doctor --json
  weft doctor --no-trainer      while a GPU is in use`,
		Args: cobra.NoArgs,
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.noTrainer, "no-trainer", false, "do not start the trainer")
	e.jsonFlag(cmd)
	return cmd
}

func (c *examination) run(ctx context.Context, e *env, _ []string) error {
	all, failures := []doctor.Finding{}, 0
	err := doctor.Examine(ctx, doctor.Config{
		Dir: e.dir, Node: e.client(), Agent: "weft/" + version(), Start: !c.noTrainer,
		Log: slog.New(plainOutput{term.NewLog(e.err, slog.LevelInfo), e.err, plainLine}),
	}, func(f doctor.Finding) {
		all = append(all, f)
		if f.Level == doctor.Failure {
			failures++
		}
		if !e.json {
			e.out.Printf("%s", findingText(e.out, f))
		}
	})
	if err != nil {
		return err
	}
	if e.json {
		if err := e.printJSON(all); err != nil {
			return err
		}
	}
	if failures > 0 {
		return fail(nil, "", "%s would keep this site from taking part", term.Plural(failures, "fault"))
	}
	return nil
}

// findingText is a finding in a line, and its hint in another.
func findingText(out *term.Out, f doctor.Finding) string {
	mark := map[doctor.Level]string{doctor.Good: out.Good("ok     "), doctor.Warning: out.Busy("warning"), doctor.Failure: out.Bad("fails  ")}[f.Level]
	text := fmt.Sprintf("%s  %-8s  %s\n", mark, f.Check, f.Text)
	if f.Hint != "" {
		text += fmt.Sprintf("%19shint: %s\n", "", f.Hint)
	}
	return text
}
