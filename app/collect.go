package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
)

// collectFlags are those of kaika collect.
type collectFlags struct {
	searchFlags

	dataset, source      string
	count                int
	nearDuplicates, json bool
}

func newCollect(e *environment) *cobra.Command {
	var flags collectFlags
	c := &cobra.Command{
		Use:   "collect KEYWORD[=LABEL] ... --count N --dataset FOLDER",
		Short: "Collect photos by keywords into a dataset",
		Long: `Collects photos into a dataset: for each keyword as many as are asked for, under the
label of that name. Each lands whole, is a photo, is large enough, is not there yet and
looks like none that is, or that is in the trash; what is refused is counted with its
reason, and the next one takes its place. A run that was stopped goes on where it was.
Authors and licenses are kept: kaika dataset credits.

Sources: flickr (with a key of your own, from the window's settings or ` + flickrKeyVariable + `
and ` + flickrSecretVariable + `), openverse (no key), or the path of a folder, of an archive
(tar, tar.gz, zip) or of a list of addresses (.csv, .tsv, .txt): these bring all their labels
when no keyword is given.`,
		Example: `  kaika collect rose sunflower lilium --count 20 --dataset flowers
  kaika collect "crack in wall=crack" --source openverse --count 50 --dataset walls
  kaika collect --source photos.zip --dataset flowers`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case flags.dataset == "":
				return usageError{errors.New("dataset is missing: name the folder that the photos go into")}
			case flags.count < 0:
				return usageError{errors.New("count must be 0 (all there are) or more")}
			}
			if err := flags.read(c.Flags(), flags.source); err != nil {
				return usageError{err}
			}
			return e.collect(c.Context(), flags, args)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&flags.dataset, "dataset", "", "folder of the dataset; it is made if it is missing")
	f.StringVar(&flags.source, "source", collect.Services()[0].Kind, strings.Join(serviceKinds(), ", ")+", or the path of a folder, an archive or a list of addresses")
	f.IntVar(&flags.count, "count", 20, "photos a keyword; 0 for all there are")
	flags.add(f)
	f.BoolVar(&flags.nearDuplicates, "near_duplicates", false, "also photos that look like one that is there, such as the same one in another size")
	f.BoolVar(&flags.json, "json", false, "print the report as JSON")
	return c
}

// source opens the source that the flags name.
func (e *environment) source(ctx context.Context, flags collectFlags) (collect.Source, error) {
	if s, ok := collect.ServiceOf(strings.ToLower(flags.source)); ok {
		return e.search(ctx, s, flags.Wanted)
	}
	if collect.IsList(flags.source) {
		list := collect.NewAddresses(flags.source)
		list.Web.Log = e.log
		return list, nil
	}
	return collect.Open(flags.source)
}

// requests reads what is asked for: KEYWORD or KEYWORD=LABEL. Without any, a source of the user's own gives all it has.
func requests(ctx context.Context, source collect.Source, args []string, count int) ([]collect.Request, error) {
	var all []collect.Request
	for _, arg := range args {
		keyword, label, named := strings.Cut(arg, "=")
		if !named {
			label = collect.Label(keyword)
		}
		if slices.ContainsFunc(all, func(r collect.Request) bool { return r.Keyword == strings.TrimSpace(keyword) }) {
			return nil, usageError{fmt.Errorf("the keyword %q is there twice: once is enough", strings.TrimSpace(keyword))}
		}
		all = append(all, collect.Request{Keyword: strings.TrimSpace(keyword), Label: strings.TrimSpace(label), Count: count})
	}
	local, own := source.(collect.Local)
	if !own {
		if len(all) == 0 {
			return nil, usageError{errors.New("name at least one keyword: kaika collect rose --dataset flowers")}
		}
		return all, nil
	}
	// What it holds must be listed in any case, before it can be searched.
	contents, err := local.Contents(ctx)
	if err != nil || len(all) > 0 {
		return all, err
	}
	if len(contents) == 0 {
		return nil, fmt.Errorf("there are no photos in %s: choose another folder or archive, or a list with a line for each address", source.Name())
	}
	for _, c := range contents {
		if c.Name == "" {
			return nil, usageError{fmt.Errorf("the photos in %s are under no label: name one, as in kaika collect =rose", source.Name())}
		}
		all = append(all, collect.Request{Keyword: c.Name, Label: collect.Label(c.Name), Count: count})
	}
	return all, nil
}

// collectReport is what kaika collect --json prints.
type collectReport struct {
	collect.Report

	Refused []dataset.Skip `json:"refused"`
}

func (e *environment) collect(ctx context.Context, flags collectFlags, args []string) (err error) {
	source, err := e.source(ctx, flags)
	if err != nil {
		return err
	}
	wishes, err := requests(ctx, source, args, flags.count)
	if err != nil {
		return err
	}
	library, err := e.library(ctx, flags.dataset)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, library.Close()) }()
	var labels []string
	for _, w := range wishes {
		labels = append(labels, w.Label)
	}
	if err := library.CheckLabels(labels); err != nil {
		return usageError{fmt.Errorf("%w. Give a label of your own with KEYWORD=LABEL", err)}
	}
	refused := []dataset.Skip{}
	collector := collect.Collector{Library: library, Source: source, MinSide: flags.MinSide, Observe: func(event collect.Event) {
		if r := event.Refusal; r != nil {
			refused = append(refused, dataset.Skip{Path: r.Name, Reason: r.Reason, Detail: r.Detail})
		}
		if event.Request >= 0 {
			w := wishes[event.Request]
			e.terminal.progress(false, "%s: %s", w.Label, counted(w, event.Counts))
		}
	}}
	collector.Waiting = func(service string, until time.Time) {
		e.terminal.progress(true, "%s wants to be left alone until %s; it goes on by itself then", service, until.Local().Format("15:04:05"))
	}
	if !flags.nearDuplicates {
		collector.Comparer, collector.Compared = library, func(done, total int) {
			e.terminal.progress(done == total, "looked at %d of %d photos that are there", done, total)
		}
	}
	if collector.Refusals, err = collect.OpenRefusals(library.Dir()); err != nil {
		e.log.Warn("what was refused before is downloaded again", "error", err)
	}
	collector.Forgotten = func(err error) { e.log.Warn("what is refused will be downloaded again", "error", err) }
	report, err := collector.Run(ctx, wishes)
	e.terminal.clear()
	if flags.json {
		return errors.Join(e.printJSON(collectReport{report, refused}), err)
	}
	words := collected(report)
	if _, own := source.(collect.Local); own { // Of a service, another photo has taken the place.
		words += skippedText(refused)
	}
	return errors.Join(e.printf("%s", words), err)
}

// library opens a dataset, which is made if it is missing.
func (e *environment) library(ctx context.Context, dir string) (*curate.Library, error) {
	library, err := curate.Create(ctx, dir, nil, curate.Options{Log: e.log})
	if errors.Is(err, fs.ErrExist) {
		return curate.Open(ctx, dir, curate.Options{Log: e.log})
	}
	return library, err
}

// counted puts the counts of a request in words.
func counted(r collect.Request, c collect.Counts) string {
	before := c.There - c.Moved
	words := strconv.Itoa(c.Landed + before)
	if r.Count > 0 {
		words += fmt.Sprintf(" of %d", r.Count)
	}
	if before > 0 {
		words += fmt.Sprintf(", %d of them there before", before)
	}
	if c.Refused > 0 {
		words += fmt.Sprintf(", %d refused", c.Refused)
	}
	return words
}

// collected puts a report in words.
func collected(r collect.Report) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, result := range r.Results {
		exhausted := ""
		if result.Exhausted {
			exhausted = "the source has no more"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", result.Label, counted(result.Request, result.Counts), exhausted)
	}
	_ = w.Flush() // Into memory.
	if len(r.Reasons) > 0 {
		b.WriteString("\nRefused:\n")
		for _, reason := range slices.SortedFunc(maps.Keys(r.Reasons), func(x, y picture.Reason) int {
			return r.Reasons[y] - r.Reasons[x]
		}) {
			fmt.Fprintf(&b, "  %5d  %s\n", r.Reasons[reason], strings.ReplaceAll(string(reason), "_", " "))
		}
	}
	return b.String()
}
