package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaika/core/collect"
	"kaika/core/credit"
	"kaika/core/curate"
)

// verifyReport says what became of the photos of a dataset at their sources.
type verifyReport struct {
	Dataset   string          `json:"dataset"`
	Photos    int             `json:"photos"`
	Checked   int             `json:"checked"`   // Photos of which it is known what became of them.
	Asked     int             `json:"asked"`     // Questions to the sources in this run; other answers are of an earlier one.
	Unchecked int             `json:"unchecked"` // Photos that no source can be asked about, such as those of own folders.
	Left      int             `json:"left"`      // Photos whose source could not be asked any more.
	Finished  bool            `json:"finished"`  // Whether all could be checked.
	Findings  []verifyFinding `json:"findings"`
	Pruned    int             `json:"pruned"` // Photos that were moved to the trash.
}

// What became of a photo.
const (
	becameGone    = "gone"
	becamePrivate = "private"
	becameOther   = "license"
)

type verifyFinding struct {
	File       string `json:"file"` // Below the dataset's folder.
	Label      string `json:"label"`
	Source     string `json:"source"`
	ID         string `json:"id"`
	PageURL    string `json:"page_url"`
	Became     string `json:"became"` // "gone", "private", or "license" for another one.
	License    string `json:"license"`
	LicenseNow string `json:"license_now"` // "" unless it is another one.
}

// verifyFlags are those of kaika dataset verify.
type verifyFlags struct {
	dataset     string
	maxAge      time.Duration
	prune, json bool
}

func newDatasetVerify(e *environment) *cobra.Command {
	flags := verifyFlags{}
	c := &cobra.Command{
		Use:   "verify --dataset FOLDER",
		Short: "Ask the sources whether the photos are still there, under the same licence",
		Long: `Asks Flickr and Openverse about each photo that came from there, and lists those
that are gone, private, or under another licence than the one that was written
down; copies go with their originals. --prune moves all of them to the trash, in
one step that can be undone. Photos of other sources, such as folders of your own,
have nothing to check.

Flickr takes one question a second, Openverse 20 a minute and 200 a day. Answers are
kept for --max_age, so a run that was stopped, or that a source would not answer any
more, goes on where it was: of a large dataset, so many more each day. --prune
moves what is established by then. Nothing counts as gone but what the source itself
says is.`,
		Args: func(c *cobra.Command, args []string) error {
			if flags.dataset == "" && len(args) == 1 {
				flags.dataset = args[0]
				return nil
			}
			return noArguments(c, args)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case flags.dataset == "":
				return usageError{errors.New("dataset is missing: give the folder of the dataset")}
			case flags.maxAge < 0:
				return usageError{errors.New("max_age must be 0 (ask about all) or more, such as 720h")}
			}
			return e.verifyDataset(c.Context(), flags)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&flags.dataset, "dataset", "", "folder of the dataset")
	f.BoolVar(&flags.prune, "prune", false, "move the photos that are gone, private or under another licence to the trash")
	f.DurationVar(&flags.maxAge, "max_age", 30*24*time.Hour, "how long an answer counts before the source is asked again")
	f.BoolVar(&flags.json, "json", false, "print the report as JSON")
	return c
}

func (e *environment) verifyDataset(ctx context.Context, flags verifyFlags) error {
	var report verifyReport
	var stopped error // Why it was not finished.
	err := e.withLibrary(ctx, flags.dataset, func(l *curate.Library) error {
		photos := l.Photos(curate.Query{Sort: curate.ByLabel})
		checkers, err := e.checkers(ctx, photos)
		if err != nil {
			return err
		}
		v := credit.Verifier{Checkers: checkers, Progress: func(done, photos int) {
			e.terminal.progress(done == photos, "verifying: %d of %d photos", done, photos)
		}}
		if len(checkers) > 0 {
			if v.Memory, err = credit.OpenMemory(l.Dir(), flags.maxAge, time.Now); err != nil {
				e.log.Warn("a run that is stopped will have to begin anew", "error", err)
			} else {
				defer func() {
					if err := v.Memory.Close(); err != nil {
						e.log.Warn("the next run will ask again", "error", err)
					}
				}()
			}
		}
		var found credit.Verification
		found, stopped = v.Verify(ctx, photos)
		report = reported(l.Dir(), photos, found)
		report.Finished = stopped == nil
		if ctx.Err() != nil || !flags.prune || len(found.Findings) == 0 {
			return nil
		}
		report.Pruned, err = prune(ctx, l, found.Findings)
		return err
	})
	e.terminal.clear()
	if err != nil && report.Pruned == 0 {
		return e.stopped(ctx, "Nothing was moved to the trash", err)
	}
	if flags.json {
		err = errors.Join(err, e.printJSON(report))
	} else {
		err = errors.Join(err, e.printf("%s", report.text(flags)))
	}
	words := "The same command goes on from there"
	if flags.prune && report.Pruned == 0 {
		words = "Nothing was moved to the trash: the same command goes on from there"
	}
	return cmp.Or(err, e.stopped(ctx, words, stopped))
}

// checkers gives those who can be asked about the photos.
func (e *environment) checkers(ctx context.Context, photos []curate.Photo) (map[string]credit.Checker, error) {
	checkers := map[string]credit.Checker{}
	for _, p := range photos {
		kind := p.Source.Kind
		if checkers[kind] != nil {
			continue
		}
		s, ok := collect.ServiceOf(kind)
		if !ok {
			continue
		}
		access, err := e.access(ctx, s)
		if err != nil {
			return nil, err
		}
		checkers[kind] = s.Checker(access)
	}
	return checkers, nil
}

// prune moves photos to the trash, and gives their number.
func prune(ctx context.Context, l *curate.Library, findings []credit.Finding) (int, error) {
	ids := make([]curate.ID, len(findings))
	for i, f := range findings {
		ids[i] = f.Photo.ID
	}
	err := l.Delete(ctx, ids)
	if err == nil {
		return len(ids), nil
	}
	deleted := len(l.Photos(curate.Query{Trash: true, IDs: ids}))
	return deleted, err
}

// reported makes a report of what was found out.
func reported(dir string, photos []curate.Photo, v credit.Verification) verifyReport {
	r := verifyReport{Dataset: dir, Photos: len(photos), Checked: v.Checked, Asked: v.Asked, Unchecked: v.Unchecked, Left: v.Left, Findings: []verifyFinding{}}
	for _, f := range v.Findings {
		s := f.Photo.Source
		file, err := filepath.Rel(dir, f.Photo.Path)
		if err != nil {
			file = f.Photo.Path
		}
		finding := verifyFinding{File: file, Label: f.Photo.Label, Source: s.Kind, ID: s.ID, PageURL: s.PageURL, License: cmp.Or(s.License, s.LicenseURL)}
		switch {
		case f.Now.Gone:
			finding.Became = becameGone
		case f.Now.Private:
			finding.Became = becamePrivate
		default:
			finding.Became, finding.LicenseNow = becameOther, cmp.Or(f.Now.License, f.Now.LicenseURL)
		}
		r.Findings = append(r.Findings, finding)
	}
	return r
}

// text puts a report in words.
func (r verifyReport) text(flags verifyFlags) string {
	var b strings.Builder
	became := map[string]int{}
	for _, f := range r.Findings {
		became[f.Became]++
		what := map[string]string{
			becameGone: "is gone", becamePrivate: "is private", becameOther: fmt.Sprintf("was under %s, and is under %s", f.License, f.LicenseNow),
		}[f.Became]
		fmt.Fprintf(&b, "%s %s", f.File, what)
		if f.PageURL != "" {
			fmt.Fprintf(&b, " (%s)", f.PageURL)
		}
		b.WriteString("\n")
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	until := ""
	if !r.Finished {
		until = " until now"
	}
	fmt.Fprintf(&b, "%s of %d checked%s: %d gone, %d private, %d under another licence. Nothing to check for %d\n",
		count(r.Checked, "photo"), r.Photos, until, became[becameGone], became[becamePrivate], became[becameOther], r.Unchecked)
	if r.Left > 0 {
		fmt.Fprintf(&b, "%s still to be asked about: the same command goes on from there, tomorrow if a source answers only so many questions a day\n", count(r.Left, "photo"))
	}
	if r.Pruned > 0 {
		fmt.Fprintf(&b, "%s moved to the trash, in one step that can be undone\n", count(r.Pruned, "photo"))
	} else if len(r.Findings) > 0 && !flags.prune {
		fmt.Fprintf(&b, "Move them to the trash: kaika dataset verify --dataset %q --prune\n", flags.dataset)
	}
	return b.String()
}
