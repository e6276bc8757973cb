package ui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/ui/widgets"
)

// jobExample is the kind of the job that loads the example dataset.
const jobExample = "example"

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }

// chooseDataset asks for a folder and opens it.
func (f *Frame) chooseDataset() {
	f.chooseFolder(f.session.Open)
}

// chooseFolder asks for a folder, beginning beside the dataset at work.
func (f *Frame) chooseFolder(chosen func(dir string)) {
	d := dialog.NewFolderOpen(func(uri fyne.ListableURI, err error) {
		switch {
		case err != nil:
			widgets.ShowError(f.window, f.tx, f.tx.T("frame.choose.failed"), err)
		case uri != nil:
			chosen(uri.Path())
		}
	}, f.window)
	start := f.p.Pictures
	if f.session.library != nil {
		start = filepath.Dir(f.session.library.Dir())
	}
	if at, err := storage.ListerForURI(storage.NewFileURI(start)); err == nil {
		d.SetLocation(at)
	}
	d.SetTitleText(f.tx.T("frame.choose.title"))
	d.Resize(widgets.Fit(f.window, 900, 640))
	d.Show()
}

// newDataset asks for a name, a place and labels, makes a dataset, and then does what comes next.
func (f *Frame) newDataset(next func()) {
	tx := f.tx
	name := widget.NewEntry()
	name.SetPlaceHolder(tx.T("frame.new.name.hint"))
	name.Validator = func(text string) error {
		text = strings.TrimSpace(text)
		if text == "" || strings.ContainsAny(text, `/\`) || strings.HasPrefix(text, ".") {
			return errors.New(tx.T("frame.new.name.bad"))
		}
		return nil
	}
	parent := widget.NewEntry()
	parent.SetText(f.p.Pictures)
	browse := widget.NewButtonWithIcon("", theme.FolderOpenIcon(), func() { f.chooseFolder(parent.SetText) })
	labels := newLabelsEntry()
	labels.SetPlaceHolder(tx.T("frame.new.labels.hint"))
	labels.SetMinRowsVisible(4)
	labels.Validator = func(text string) error {
		for _, label := range lines(text) {
			if err := checkLabel(label); err != nil {
				return errors.New(tx.T("frame.new.labels.bad", "Label", label))
			}
		}
		return nil
	}
	d := dialog.NewForm(tx.T("frame.new.title"), tx.T("frame.new.create"), tx.T("kit.cancel"), []*widget.FormItem{
		widget.NewFormItem(tx.T("frame.new.name"), name),
		widget.NewFormItem(tx.T("frame.new.place"), container.NewBorder(nil, nil, nil, browse, parent)),
		{Text: tx.T("frame.new.labels"), Widget: labels, HintText: tx.T("frame.new.labels.more")},
	}, func(create bool) {
		if !create {
			return
		}
		f.session.Create(filepath.Join(parent.Text, strings.TrimSpace(name.Text)), lines(labels.Text))
		next()
	}, f.window)
	d.Resize(widgets.Fit(f.window, 560, 420))
	d.Show()
	f.window.Canvas().Focus(name)
}

// labelsEntry takes labels, one on each line. Tab leaves it as it leaves other entries.
type labelsEntry struct{ widget.Entry }

func newLabelsEntry() *labelsEntry {
	e := &labelsEntry{}
	e.MultiLine, e.Wrapping = true, fyne.TextWrapOff
	e.ExtendBaseWidget(e)
	return e
}

// AcceptsTab implements fyne.Tabbable.
func (*labelsEntry) AcceptsTab() bool { return false }

// checkLabel tells whether a folder can have this name and be a label.
func checkLabel(name string) error {
	if strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || len(name) > 200 {
		return errors.New("not a label")
	}
	return nil
}

// lines gives the lines of a text that are not blank, each once.
func lines(text string) []string {
	var kept []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !seen[line] {
			seen[line] = true
			kept = append(kept, line)
		}
	}
	return kept
}

// fetchExample loads the example dataset into the user's folder of pictures and opens it.
func (f *Frame) fetchExample() {
	dir := filepath.Join(f.p.Pictures, f.p.Example.Name)
	question := dialog.NewConfirm(f.tx.T("frame.example.title"), f.tx.T("frame.example.text",
		"Size", f.tx.Bytes(f.p.Example.Bytes), "Folder", dir, "License", f.p.Example.Licence), func(yes bool) {
		if yes {
			f.loadExample(dir)
		}
	}, f.window)
	question.SetConfirmText(f.tx.T("frame.example.yes"))
	question.SetDismissText(f.tx.T("kit.cancel"))
	question.Show()
}

func (f *Frame) loadExample(dir string) {
	f.leaveGreeting()
	err := f.jobs.Start(jobExample, func(ctx context.Context, report func(job.Progress)) error {
		err := f.p.FetchExample(ctx, dir, func(done, total int64) { report(job.Progress{Done: done, Total: total}) })
		f.p.Dispatch(func() {
			if err == nil || errors.Is(err, dataset.ErrExamplePresent) {
				f.session.Open(dir)
				f.Select(tabReview)
				return
			}
			widgets.ShowError(f.window, f.tx, f.tx.T("frame.example.failed", "Folder", dir), err)
		})
		if errors.Is(err, dataset.ErrExamplePresent) {
			return nil
		}
		return err
	})
	if err != nil {
		widgets.ShowError(f.window, f.tx, f.tx.T("frame.busy"), err)
	}
}

// datasetMenu is what the button with the dataset's name opens.
func (f *Frame) datasetMenu() *fyne.Menu {
	tx := f.tx
	items := []*fyne.MenuItem{
		{Label: tx.T("frame.menu.open"), Icon: theme.FolderOpenIcon(), Action: f.chooseDataset},
		{Label: tx.T("frame.menu.new"), Icon: theme.FolderNewIcon(), Action: func() { f.newDataset(func() {}) }},
		{Label: tx.T("frame.menu.example"), Icon: theme.DownloadIcon(), Action: f.fetchExample},
	}
	if recent := f.recentItems(); len(recent) > 0 {
		items = append(append(items, fyne.NewMenuItemSeparator()), recent...)
	}
	if f.session.library != nil {
		items = append(items, fyne.NewMenuItemSeparator(),
			&fyne.MenuItem{Label: tx.T("frame.menu.folder"), Icon: theme.FolderIcon(), Action: func() { f.openFolder(f.session.library.Dir()) }},
			&fyne.MenuItem{Label: tx.T("frame.menu.leave"), Icon: theme.CancelIcon(), Action: f.session.Leave})
	}
	return fyne.NewMenu("", items...)
}

// recentItems are the datasets that were open, but for the one that is.
func (f *Frame) recentItems() []*fyne.MenuItem {
	var items []*fyne.MenuItem
	for _, dir := range f.session.Recent() {
		if f.session.library == nil || dir != f.session.library.Dir() {
			items = append(items, fyne.NewMenuItem(short(dir, 60), func() { f.session.Open(dir) }))
		}
	}
	return items
}

// short leaves out the front of a path beyond so many letters: its end tells more.
func short(path string, most int) string {
	letters := []rune(path)
	if len(letters) <= most {
		return path
	}
	return "…" + string(letters[len(letters)-most+1:])
}

// dropped takes what was dropped anywhere on the window: photos are classified; for folders and archives there is a
// question, except on the Classify tab, where folders are classified, too.
func (f *Frame) dropped(uris []fyne.URI) {
	var paths []string
	for _, uri := range uris {
		if uri.Scheme() == "file" {
			paths = append(paths, uri.Path())
		}
	}
	if len(paths) == 0 {
		return
	}
	f.work.Go(func() {
		d := sortDrop(paths)
		f.p.Dispatch(func() { f.take(d) })
	})
}

func (f *Frame) take(d dropped) {
	classifying := f.selected() == tabClassify
	switch {
	case len(d.archives) > 0:
		f.importPhotos(d.archives[0])
	case len(d.folders) == 1 && len(d.photos) == 0 && !classifying:
		f.askAboutFolder(d.folders[0])
	default:
		f.Select(tabClassify)
		f.classify.Drop(append(d.photos, d.folders...))
	}
}

// askAboutFolder asks what to do with a folder that was dropped.
func (f *Frame) askAboutFolder(dir string) {
	tx := f.tx
	text := widget.NewLabel(tx.T("frame.drop.text", "Folder", dir))
	text.Wrapping = fyne.TextWrapBreak
	var d *dialog.CustomDialog
	choice := func(title string, icon fyne.Resource, do func()) *widget.Button {
		b := widget.NewButtonWithIcon(title, icon, func() {
			d.Hide()
			do()
		})
		b.Alignment = widget.ButtonAlignLeading
		return b
	}
	open := choice(tx.T("frame.drop.open"), theme.FolderOpenIcon(), func() { f.session.Open(dir) })
	open.Importance = widget.HighImportance
	choices := container.NewVBox(text, open)
	if f.session.library != nil {
		choices.Add(choice(tx.T("frame.drop.import", "Dataset", filepath.Base(f.session.library.Dir())), theme.DownloadIcon(), func() { f.importPhotos(dir) }))
	}
	choices.Add(choice(tx.T("frame.drop.classify"), theme.SearchIcon(), func() {
		f.Select(tabClassify)
		f.classify.Drop([]string{dir})
	}))
	d = dialog.NewCustom(filepath.Base(dir), tx.T("kit.cancel"), choices, f.window)
	d.Resize(widgets.Fit(f.window, 480, 240))
	d.Show()
	f.window.Canvas().Focus(open)
}

// importPhotos lists a folder or an archive in the Collect tab. Without a dataset one is made first.
func (f *Frame) importPhotos(path string) {
	collect := func() {
		f.Select(tabCollect)
		f.collect.Import(path)
	}
	if f.session.library == nil {
		f.newDataset(collect)
		return
	}
	collect()
}

// openFolder shows a folder in the system's file manager.
func (f *Frame) openFolder(dir string) {
	f.work.Go(func() {
		_, err := os.Stat(dir)
		if err == nil {
			err = f.showInFileManager(dir)
		}
		if err != nil {
			f.p.Dispatch(func() { widgets.ShowError(f.window, f.tx, f.tx.T("frame.folder.failed", "Folder", dir), err) })
		}
	})
}
