package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaika/core/classify"
)

// classifyFlags are those of kaika classify.
type classifyFlags struct {
	model, precision string
	json, csv        bool
	top              int
}

func newClassify(e *environment) *cobra.Command {
	var flags classifyFlags
	c := &cobra.Command{
		Use:   "classify --model FOLDER PHOTO|FOLDER|- ...",
		Short: "Say what is on photos",
		Long: `Says what is on photos by a model that kaika retrain wrote. A folder stands for all
photos in it; - reads one photo from the standard input. A file that is no photo
gets its reason and the exit code is 1, the others are answered.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("name at least one photo or folder, or - for the standard input")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case flags.model == "":
				return usageError{errors.New("model is missing: give the folder that kaika retrain wrote")}
			case flags.json && flags.csv:
				return usageError{errors.New("json and csv cannot both be asked for")}
			case flags.top < 0:
				return usageError{errors.New("top must be 0 (all labels) or more")}
			case flags.precision != "":
				if err := checkPrecision(flags.precision); err != nil {
					return err
				}
			}
			return e.classify(c.Context(), flags, args)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&flags.model, "model", "", "model folder")
	f.IntVar(&flags.top, "top", 5, "labels a photo; 0 for all")
	f.BoolVar(&flags.json, "json", false, "print the answers as JSON")
	f.BoolVar(&flags.csv, "csv", false, "print the answers as CSV")
	f.StringVar(&flags.precision, "precision", "", "arithmetic of the network: float32 or bfloat16 (default as trained)")
	return c
}

func (e *environment) classify(ctx context.Context, flags classifyFlags, args []string) error {
	c, err := classify.Open(ctx, flags.model, flags.precision, e.engine)
	if err != nil {
		return err
	}
	files, err := classify.List(ctx, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there is no photo in %s", strings.Join(args, ", "))
	}
	top := flags.top
	if top == 0 || top > len(c.Labels) {
		top = len(c.Labels)
	}
	out := bufio.NewWriter(e.stdout)
	var table answers
	switch {
	case flags.json:
		table = &jsonAnswers{out: out}
	case flags.csv:
		table = classify.NewCSV(out, top)
	case len(files) == 1:
		table = &oneAnswer{out: out}
	default:
		table = &lineAnswers{out: out}
	}
	done, failed, began := 0, 0, time.Now()
	err = c.Files(ctx, files, e.stdin, func(a classify.Answer) error {
		if a.Error != nil {
			failed++
		}
		a.Predictions = a.Predictions[:min(top, len(a.Predictions))]
		if err := table.Add(a); err != nil {
			return err
		}
		if err := e.terminal.above(out.Flush); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
		if done++; len(files) > 1 {
			e.terminal.progress(done == len(files), "classified %d of %d photos%s%s",
				done, len(files), rate(began, done), eta(began, done, len(files)))
		}
		return nil
	})
	// Also after an error: what was answered is to be read.
	err = cmp.Or(err, table.End(), out.Flush())
	switch {
	case ctx.Err() != nil:
		e.terminal.say(fmt.Sprintf("stopped after %d of %d photos", done, len(files)))
		return errAnswered
	case err == nil && failed > 0:
		return errAnswered
	}
	return err
}

// answers writes answers in some form. Its methods give the errors of the output.
type answers interface {
	Add(a classify.Answer) error
	End() error
}

// jsonAnswers writes one JSON document, a list that grows while it is computed.
type jsonAnswers struct {
	out   *bufio.Writer
	begun bool
}

func (j *jsonAnswers) Add(a classify.Answer) error {
	before := ",\n "
	if !j.begun {
		before, j.begun = "[", true
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	_, err = fmt.Fprintf(j.out, "%s%s", before, data)
	return err
}

func (j *jsonAnswers) End() error {
	text := "]\n"
	if !j.begun {
		text = "[]\n"
	}
	_, err := j.out.WriteString(text)
	return err
}

// called gives what people call a file.
func called(file string) string {
	if file == classify.Stdin {
		return "the standard input"
	}
	return file
}

// oneAnswer writes the answer for a single photo as a table with bars.
type oneAnswer struct{ out *bufio.Writer }

func (o *oneAnswer) Add(a classify.Answer) error {
	if a.Error != nil {
		_, err := fmt.Fprintf(o.out, "%s %s\n", called(a.File), *a.Error)
		return err
	}
	for _, p := range a.Predictions {
		bar := strings.Repeat("█", int(p.Score*30+0.5))
		if _, err := fmt.Fprintf(o.out, "%7.2f %%  %-30s  %s\n", 100*p.Score, bar, p.Label); err != nil {
			return err
		}
	}
	if a.Unknown {
		_, err := fmt.Fprintln(o.out, "None of the labels fits well: this may be something else.")
		return err
	}
	return nil
}

func (o *oneAnswer) End() error { return nil }

// lineAnswers writes a line a photo.
type lineAnswers struct{ out *bufio.Writer }

func (l *lineAnswers) Add(a classify.Answer) error {
	if a.Error != nil {
		_, err := fmt.Fprintf(l.out, "%s %s\n", called(a.File), *a.Error)
		return err
	}
	var labels []string
	for _, p := range a.Predictions {
		labels = append(labels, fmt.Sprintf("%s %.2f %%", p.Label, 100*p.Score))
	}
	if a.Unknown {
		labels = append(labels, "(perhaps something else)")
	}
	_, err := fmt.Fprintf(l.out, "%s: %s\n", called(a.File), strings.Join(labels, ", "))
	return err
}

func (l *lineAnswers) End() error { return nil }
