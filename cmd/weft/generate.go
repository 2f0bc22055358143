package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// generate is `weft generate`.
type generate struct {
	of  string
	ask api.GenerateRequest
}

func newGenerate(e *env) *cobra.Command {
	c := &generate{}
	cmd := &cobra.Command{
		Use:   "generate ROUND PROMPT",
		Short: "Have this site's trainer generate text with a round's model",
		Long: `Have this site's trainer generate text with a round's model, as soon as it is free, and
print what follows the prompt. ROUND is as for model export. A script generates if it
says how: weft.tasks(..., generate=...). Of the embedded trainer a token is a byte. The
text stays at this site; the other sites hear nothing of it.`,
		Example: `  weft generate best "Dear Dr"
  weft generate latest --run letters --max-tokens 200 --temperature 0 "The patient"
  weft generate latest --seed 7 --json "The"`,
		Args: cobra.ExactArgs(2),
		RunE: e.runs(c.run),
	}
	cmd.ValidArgs = []string{latest, best}
	flags := cmd.Flags()
	flags.StringVar(&c.of, "run", "", "the run: name, CID or the CID's end; default the only one that has a model")
	flags.Uint64Var(&c.ask.MaxTokens, "max-tokens", 64, "most tokens to generate")
	flags.Float64Var(&c.ask.Temperature, "temperature", 0.8, "the higher, the more surprising; 0 always takes the likeliest token")
	flags.Uint64Var(&c.ask.Seed, "seed", 1, "of what is random: the same seed gives the same text")
	_ = cmd.RegisterFlagCompletionFunc("run", e.completeRunFlag)
	e.jsonFlag(cmd)
	return cmd
}

func (c *generate) run(ctx context.Context, e *env, args []string) error {
	c.ask.Prompt = args[1]
	what := train.Generation{Prompt: c.ask.Prompt, MaxTokens: c.ask.MaxTokens, Temperature: c.ask.Temperature}
	if err := what.Check(); err != nil {
		text, advice := hint.Split(err)
		return advised(usage("%s", text), advice)
	}
	model, of, err := findModelOfRun(ctx, e.client(), args[0], c.of)
	if err != nil {
		return err
	}
	c.ask.Model = model
	var made api.Generated
	err = e.err.Live(ctx, trainerWork, func(ctx context.Context) error {
		made, err = e.client().Generate(ctx, of.ID, c.ask)
		return err
	})
	if err != nil {
		return err
	}
	return showGenerated(e, made)
}

// showGenerated prints the text: as it is for programs, without what would command it on a terminal.
func showGenerated(e *env, made api.Generated) error {
	if e.out.TTY {
		made.Text = shown(made.Text, "\n\t")
	}
	if e.json {
		return e.printJSON(made)
	}
	if !strings.HasSuffix(made.Text, "\n") {
		made.Text += "\n"
	}
	_, err := io.WriteString(e.out, made.Text)
	return err
}
