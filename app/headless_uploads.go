package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"kaika/core/inbox"
)

// uploadFlags are those of the photos that a server keeps.
type uploadFlags struct {
	place    string
	maxAge   time.Duration
	maxBytes byteCount
}

func (f *uploadFlags) add(to *pflag.FlagSet) {
	f.maxBytes = 10e9
	to.StringVar(&f.place, "uploads", "",
		"keep the photos that are classified, to learn from them: in a folder, gs://BUCKET[/PREFIX] or s3://BUCKET[/PREFIX][?region=REGION] (default none are kept)")
	to.DurationVar(&f.maxAge, "uploads_max_age", 30*24*time.Hour, "how long photos are kept; 0 for ever")
	to.Var(&f.maxBytes, "uploads_max_bytes", "what kept photos may take, such as 500MB or 10GiB; the oldest go first; 0 for any number")
}

func (f *uploadFlags) check() error {
	if f.maxAge < 0 {
		return usageError{errors.New("uploads_max_age must be 0 (for ever) or more")}
	}
	return nil
}

// open gives what keeps photos; nil if none are to be kept.
func (f *uploadFlags) open(ctx context.Context, log *slog.Logger) (*inbox.Keeper, error) {
	if f.place == "" {
		return nil, nil //nolint:nilnil // None is no error.
	}
	kept, err := inbox.Open(ctx, f.place, true)
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "photos that are classified are kept", "place", kept.Place(), "max_age", f.maxAge.String(), "max_bytes", int64(f.maxBytes))
	return inbox.NewKeeper(kept, inbox.Limits{MaxAge: f.maxAge, MaxBytes: int64(f.maxBytes)}, log), nil
}

// closeUploads writes what waits to be kept, but not for long. Nothing is there to be closed if it is nil.
func closeUploads(ctx context.Context, kept *inbox.Keeper) error {
	const longest = 10 * time.Second
	if kept == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	return kept.Close(ctx)
}

// byteCount is a flag that is a number of bytes, with a unit or without.
type byteCount int64

var _ pflag.Value = (*byteCount)(nil)

// byteUnits are the units, in the order in which they are looked for.
var byteUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// Set implements pflag.Value.
func (b *byteCount) Set(text string) error {
	number, unit := text, 1.0
	for _, u := range byteUnits {
		if n := len(text) - len(u.name); n > 0 && strings.EqualFold(text[n:], u.name) {
			number, unit = strings.TrimSpace(text[:n]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if n *= unit; err != nil || !(n >= 0 && n < math.MaxInt64) {
		return fmt.Errorf("%q must be a number of bytes, such as 500MB or 10GiB", text)
	}
	*b = byteCount(n)
	return nil
}

// String implements pflag.Value: the largest decimal unit that fits.
func (b *byteCount) String() string {
	for i := len(byteUnits) - 2; i >= 0 && *b != 0; i-- {
		if u := byteUnits[i]; int64(*b)%int64(u.bytes) == 0 {
			return strconv.FormatInt(int64(*b)/int64(u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type implements pflag.Value.
func (*byteCount) Type() string { return "bytes" }
