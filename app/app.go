// Package app is the composition root: it reads flags, finds folders, sets up the log and signals, and wires the core to
// the engine. It knows every other package; none knows it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set when the program is linked.
var version = "dev"

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errAnswered ends the program with exit code 1 when everything was said already.
var errAnswered = errors.New("some photos could not be answered for")

// Main runs the program with its arguments, without its name, and gives the exit code: 0 done, 1 failed, 2 wrong use.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // The second Ctrl-C ends the program at once.
	return run(ctx, args, stdin, stdout, stderr)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &environment{stdin: stdin, stdout: stdout, terminal: newTerminal(stderr)}
	root := newRoot(e) //nolint:contextcheck // cobra hands ExecuteContext's context to each command.
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	e.terminal.clear()
	if closeErr := e.close(); err == nil {
		err = closeErr
	}
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errAnswered):
		return exitFailed
	case ctx.Err() != nil:
		e.terminal.say("stopped. What was computed until now is kept: the same command goes on from there")
		return exitFailed
	case errors.As(err, &usage):
		e.terminal.say(err.Error())
		return exitUsage
	case errors.Is(err, syscall.ENOSPC):
		e.terminal.say(err.Error() + ". Make room on that disk and run the same command again: what is done is kept")
		return exitFailed
	default:
		e.terminal.say(err.Error())
		return exitFailed
	}
}

func newRoot(e *environment) *cobra.Command {
	var headless headlessFlags
	var hashPassword string
	root := &cobra.Command{
		Use:   "kaika",
		Short: "Turns photos into a classifier on your own machine",
		Long: `Kaika turns photos into a classifier on your own machine: give it a folder that
holds a folder of photos for each label, and it retrains the last layer of a
pre-trained network, then says what is on new photos. Without a command it opens
its window, or serves over HTTP with --headless.`,
		Example: `  kaika
  kaika dataset fetch flower_photos
  kaika retrain --image_dir flower_photos --output_dir flowers-model
  kaika classify --model flowers-model PHOTO.jpg
  kaika --headless --model flowers-model`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q: kaika --help lists them", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if err := headless.check(); err != nil {
				return err
			}
			switch {
			case c.Flags().Changed("hash_password"):
				return e.hashPassword(hashPassword)
			case headless.on:
				return e.headless(c.Context(), &headless, c.Flags().Changed("rate"))
			}
			return e.window(c.Context())
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			hashes := c.Flags().Changed("hash_password")
			e.withHTTP = headless.on && !hashes
			e.withWindow = !c.HasParent() && !headless.on && !hashes
			if e.withHTTP && !c.Flags().Changed("log_level") {
				e.logLevel = "info"
			}
			return e.open()
		},
	}
	root.SetVersionTemplate("kaika {{.Version}}\n")
	root.PersistentFlags().StringVar(&e.logLevel, "log_level", "warn", "what is said of the inner workings: debug, info, warn or error; all of it is in the log file")
	headless.add(root.Flags())
	root.Flags().StringVar(&hashPassword, "hash_password", "", "print the line of auth_file for a user of this name; the password comes from the standard input")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: %s --help lists the flags", err, c.CommandPath())}
	})
	// retrain.py writes its flags with underscores; hyphens work as well.
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "-", "_"))
	})
	root.AddCommand(newCollect(e), newRetrain(e), newClassify(e), newEvaluate(e), newModels(e), newDataset(e), newDoctor(e))
	return root
}

// noArguments is for commands that take flags only.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q: %s --help lists the flags", c.CommandPath(), args[0], c.CommandPath())}
	}
	return nil
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q: %s --help lists them", args[0], c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(commands...)
	return c
}
