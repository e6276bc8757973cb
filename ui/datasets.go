package ui

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	source "kaika/core/collect"
	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/ui/widgets"
	"kaika/ui/widgets/filepicker"
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
	start := f.p.Pictures
	if f.session.library != nil {
		start = filepath.Dir(f.session.library.Dir())
	}
	filepicker.Show(filepicker.Params{
		Window: f.window, Texts: f.tx, Dispatch: f.p.Dispatch, Beside: f.work.Go, Settings: f.p.Settings,
		Title: f.tx.T("frame.choose.title"), Act: f.tx.T("frame.choose.act"), Want: filepicker.Folder, Start: start, Chosen: chosen,
	})
}

// draft is what was entered for a dataset that could not be made.
type draft struct{ name, parent, labels string }

// notOpened says why a dataset could not be opened or made.
func (f *Frame) notOpened(dir string, err error) {
	sentence := "frame.open.failed"
	if errors.Is(err, fs.ErrExist) {
		sentence = "frame.new.exists"
	}
	widgets.ShowError(f.window, f.tx, f.tx.T(sentence, "Folder", dir), err)
}

// newDataset asks for a name, a place and labels, makes a dataset, and then does what comes next.
func (f *Frame) newDataset(next func()) {
	tx := f.tx
	name, parent, labels := widgets.NewEntry(), widgets.NewEntry(), widgets.NewMultiLineEntry()
	name.SetPlaceHolder(tx.T("frame.new.name.hint"))
	name.SetText(f.draft.name)
	labels.SetText(f.draft.labels)
	parent.SetText(cmp.Or(f.draft.parent, f.p.Pictures))
	labels.SetPlaceHolder(tx.T("frame.new.labels.hint"))
	labels.SetMinRowsVisible(4)
	browse := widgets.NewButton("", theme.FolderOpenIcon(), func() { f.chooseFolder(parent.SetText) })
	hint := widgets.NewText(tx.T("frame.new.labels.more"))
	form := container.New(layout.NewFormLayout(),
		widget.NewLabel(tx.T("frame.new.name")), name,
		widget.NewLabel(tx.T("frame.new.place")), container.NewBorder(nil, nil, nil, browse, parent),
		widget.NewLabel(tx.T("frame.new.labels")), labels,
	)
	d := widgets.NewDialog(f.window, tx.T("frame.new.title"), tx.T("kit.cancel"), container.NewVBox(form, hint), 560, 0)
	create := d.SetAccept(tx.T("frame.new.create"), theme.ConfirmIcon(), func() {
		f.draft = draft{name.Text, parent.Text, labels.Text}
		f.session.Create(filepath.Join(strings.TrimSpace(parent.Text), strings.TrimSpace(name.Text)), lines(labels.Text))
		next()
	})
	check := func(string) {
		problem := f.newProblem(name.Text, parent.Text, labels.Text)
		create.Enable()
		hint.Importance, hint.Text = widget.MediumImportance, tx.T("frame.new.labels.more")
		if problem != "" {
			create.Disable()
		}
		if problem != "" && name.Text != "" { // Before anything was typed, nothing is wrong with it.
			hint.Importance, hint.Text = widget.DangerImportance, problem
		}
		hint.Refresh()
	}
	name.OnChanged, parent.OnChanged, labels.OnChanged = check, check, check
	check("")
	d.Open(name)
}

// newProblem says what is wrong with the name, the place or the labels of a new dataset, or nothing.
func (f *Frame) newProblem(name, parent, labels string) string {
	if name = strings.TrimSpace(name); name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return f.tx.T("frame.new.name.bad")
	}
	if !filepath.IsAbs(strings.TrimSpace(parent)) {
		return f.tx.T("frame.new.place.bad")
	}
	for _, label := range lines(labels) {
		if err := checkLabel(label); err != nil {
			return f.tx.T("frame.new.labels.bad", "Label", label)
		}
	}
	return ""
}

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
	widgets.Confirm(f.window, f.tx, f.tx.T("frame.example.title"), f.tx.T("frame.example.text",
		"Size", f.tx.Bytes(f.p.Example.Bytes), "Folder", dir, "License", f.p.Example.Licence), f.tx.T("frame.example.yes"), func() { f.loadExample(dir) })
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

// dropped takes what was dropped anywhere on the window. Photos are classified, and whatever comes with them: nothing of it
// goes unsaid. An archive or a list of addresses by itself is listed in Collect, and for a folder by itself there is a
// question; but on the Classify tab folders are classified, and a text is a file that is no photo.
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
	if f.window.Canvas().Overlays().Top() != nil {
		// What is asked there comes first: nothing may change behind it.
		f.status.say(func() string { return f.tx.T("frame.drop.later") })
		return
	}
	classifying := f.selected() == tabClassify
	all := slices.Concat(d.photos, d.folders, d.archives)
	switch {
	case len(all) == 1 && len(d.archives) == 1 && (!classifying || !source.IsList(d.archives[0])):
		f.importPhotos(d.archives[0])
	case len(all) == 1 && len(d.folders) == 1 && !classifying:
		f.askAboutFolder(d.folders[0])
	default:
		f.Select(tabClassify)
		f.classify.Drop(all)
	}
}

// askAboutFolder asks what to do with a folder that was dropped.
func (f *Frame) askAboutFolder(dir string) {
	tx := f.tx
	text := widget.NewLabel(tx.T("frame.drop.text", "Folder", dir))
	text.Wrapping = fyne.TextWrapBreak
	choices := container.NewVBox(text)
	d := widgets.NewDialog(f.window, filepath.Base(dir), tx.T("kit.cancel"), choices, 480, 0)
	choice := func(title string, icon fyne.Resource, do func()) *widgets.Button {
		b := widgets.NewButton(title, icon, func() {
			d.Close()
			do()
		})
		b.Alignment = widget.ButtonAlignLeading
		choices.Add(b)
		return b
	}
	open := choice(tx.T("frame.drop.open"), theme.FolderOpenIcon(), func() { f.session.Open(dir) })
	open.Importance = widget.HighImportance
	if f.session.library != nil {
		choice(tx.T("frame.drop.import", "Dataset", filepath.Base(f.session.library.Dir())), theme.DownloadIcon(), func() { f.importPhotos(dir) })
	}
	choice(tx.T("frame.drop.classify"), theme.SearchIcon(), func() {
		f.Select(tabClassify)
		f.classify.Drop([]string{dir})
	})
	d.Open(open)
}

// importPhotos lists a folder or an archive in the Collect tab. Without a dataset one is made first.
func (f *Frame) importPhotos(path string) {
	list := func() {
		f.collect.Import(path) // First: the tab takes up its last search only where nothing is chosen.
		f.Select(tabCollect)
	}
	if f.session.library == nil {
		f.newDataset(list)
		return
	}
	list()
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
