package ui

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/curate"
	"kaika/core/job"
	"kaika/ui/classify"
	"kaika/ui/collect"
	"kaika/ui/i18n"
	"kaika/ui/inbox"
	"kaika/ui/retrain"
	"kaika/ui/review"
	kaikatheme "kaika/ui/theme"
	"kaika/ui/widgets"
)

// Smallest and first size of the window's content, in Fyne's units, which are pixels at a scale of 1.
const (
	smallestWidth, smallestHeight = 640, 480
	firstWidth, firstHeight       = 1120, 760
)

// tab is what the frame needs of each tab alike.
type tab interface {
	// Content builds the tab's widgets anew, in the language of the moment; what the tab holds stays.
	Content() fyne.CanvasObject
	// Shown tells the tab that it came to the front, or that another dataset did in it.
	Shown()
	// Hidden tells the tab that it is not at the front any more: it has no need to draw until it is.
	Hidden()
	// Close ends the tab's work and waits for it.
	Close()
}

// Names of the tabs, in their order.
const (
	tabCollect  = "collect"
	tabReview   = "review"
	tabRetrain  = "retrain"
	tabClassify = "classify"
)

// Frame is Kaika's window.
type Frame struct {
	p      Params
	window fyne.Window
	tx     *i18n.Texts
	ctx    context.Context //nolint:containedctx // It ends with the window, which outlives every call.
	end    context.CancelFunc
	work   sync.WaitGroup // Goroutines of the frame's own.

	jobs, answers *job.Runner // Changes and trainings one at a time; classifying goes on beside them.
	session       *session
	collect       *collect.Tab
	review        *review.Tab
	inbox         *inbox.Panel
	retrain       *retrain.Tab
	classify      *classify.Tab
	keys          *collect.KeyPanel

	names   []string // Of the tabs.
	tabs    *container.AppTabs
	front   tab             // The one that is seen, or nil.
	body    *fyne.Container // Holds the greeting or the tabs.
	dataset *widgets.Button
	path    *widget.Label
	top     *fyne.Container // Holds both.
	status  *status
	told    *curate.Library // What the tabs were told.
	opened  bool            // A dataset, or the user went on without one: no more greeting.
	closing bool            // The window closes as soon as the jobs have stopped.
	left    bool            // The user did not want to wait for that.
	over    atomic.Bool     // The window is closed.
	draft   draft

	question     *widgets.Dialog // Whether to close while a job runs; nil while it is not asked.
	questionText *widgets.Text
}

// New makes the window and shows nothing yet.
func New(ctx context.Context, p Params) (*Frame, error) {
	preferences := p.Settings
	language := preferences.String(prefLanguage)
	if language == "" {
		language = i18n.System()
	}
	tx, err := i18n.Load(language)
	if err != nil {
		if tx, err = i18n.Load(i18n.Languages()[0]); err != nil {
			return nil, err
		}
	}
	if err := tx.Fyne(); err != nil {
		return nil, err
	}
	p.App.Settings().SetTheme(kaikatheme.New(kaikatheme.Brightness(preferences.String(prefBrightness))))

	f := &Frame{p: p, tx: tx, window: p.App.NewWindow("Kaika"), names: []string{tabCollect, tabReview, tabRetrain, tabClassify}}
	f.p.Dispatch = f.whileOpen(p.Dispatch)
	p = f.p
	f.ctx, f.end = context.WithCancel(ctx)
	f.jobs, f.answers = job.New(f.ctx), job.New(f.ctx)
	f.session = &session{
		ctx: f.ctx, dispatch: p.Dispatch, log: p.Log, preferences: preferences,
		open: func(ctx context.Context, dir string) (*curate.Library, error) {
			return curate.Open(ctx, dir, curate.Options{Log: p.Log})
		},
		create: func(ctx context.Context, dir string, labels []string) (*curate.Library, error) {
			return curate.Create(ctx, dir, labels, curate.Options{Log: p.Log})
		},
		changed: f.datasetChanged,
		failed:  f.notOpened,
		jobs: func() func() {
			ends := []<-chan struct{}{f.jobs.Ended(), f.answers.Ended(), f.review.Settled(), f.classify.Settled()}
			return func() {
				for _, ended := range ends {
					<-ended
				}
			}
		},
	}
	f.makeTabs()
	f.status = newStatus(f)
	f.build()

	f.window.SetMaster()
	f.window.SetOnDropped(func(_ fyne.Position, uris []fyne.URI) { f.dropped(uris) })
	f.window.SetCloseIntercept(f.askToClose)
	f.window.SetOnClosed(func() { f.over.Store(true) })
	f.takeKeys()
	f.window.Canvas().AddShortcut(&fyne.ShortcutPaste{}, func(fyne.Shortcut) {
		if f.selected() == tabClassify && f.window.Canvas().Overlays().Top() == nil {
			f.classify.Paste()
		}
	})
	f.window.Resize(savedSize(preferences.String(prefSize)))
	p.Dispatch(f.tabShown)
	f.reopen()
	return f, nil
}

// whileOpen gives a dispatch that drops what comes after the window is closed. When Fyne has left its loop it runs things
// at once, on whichever goroutine asks: there, they would be at work beside Close and beside each other.
func (f *Frame) whileOpen(dispatch func(func())) func(func()) {
	return func(do func()) {
		dispatch(func() {
			if !f.over.Load() {
				do()
			}
		})
	}
}

// Window gives the window, to be shown.
func (f *Frame) Window() fyne.Window { return f.window }

// reopen opens the dataset of the last session.
func (f *Frame) reopen() {
	f.work.Go(func() {
		dir, there := f.session.Last()
		switch {
		case there:
			f.p.Dispatch(func() { f.session.Open(dir) })
		case dir != "": // On a drive, perhaps, that will be there again.
			f.p.Dispatch(func() { f.status.say(func() string { return f.tx.T("frame.open.gone", "Folder", dir) }) })
		}
	})
}

// Close ends all work and waits for it, unless the user did not want to; it tells whether it did. The window is closed
// already, or will not be shown again.
func (f *Frame) Close() (ended bool) {
	f.over.Store(true)
	size := f.window.Canvas().Size()
	f.p.Settings.SetString(prefSize, fmt.Sprintf("%.0fx%.0f", size.Width, size.Height))
	f.end()
	if f.left {
		return false // What hangs ends with the process, which is about to.
	}
	f.status.Close()
	f.jobs.Close()
	for _, t := range f.all() {
		t.Close()
	}
	f.inbox.Close()
	f.keys.Close()
	f.answers.Close()
	f.work.Wait()
	f.session.Close()
	return true
}

func (f *Frame) all() []tab { return []tab{f.collect, f.review, f.retrain, f.classify} }

// build makes the window's widgets, at the start and when the language changes.
func (f *Frame) build() {
	f.dataset = widgets.NewButton("", theme.FolderOpenIcon(), nil)
	f.dataset.OnTapped = func() { f.popUp(f.dataset, f.datasetMenu()) }
	f.dataset.Alignment = widget.ButtonAlignLeading
	f.path = widget.NewLabel("")
	f.path.Truncation = fyne.TextTruncateEllipsis
	settings := widgets.NewButton("", theme.SettingsIcon(), f.showSettings)
	help := widgets.NewButton("", theme.HelpIcon(), f.showHelp)
	settings.Importance, help.Importance = widget.LowImportance, widget.LowImportance
	f.top = container.NewBorder(nil, nil, f.dataset, container.NewHBox(settings, help), f.path)

	selected := cmp.Or(f.p.Settings.String(prefTab), tabReview)
	icons := map[string]fyne.Resource{
		tabCollect: theme.DownloadIcon(), tabReview: theme.GridIcon(), tabRetrain: theme.MediaPlayIcon(), tabClassify: theme.SearchIcon(),
	}
	titles := f.titles()
	f.tabs = container.NewAppTabs()
	for i, t := range f.all() {
		item := container.NewTabItemWithIcon(titles[f.names[i]], icons[f.names[i]], t.Content())
		f.tabs.Append(item)
		if f.names[i] == selected {
			f.tabs.SelectIndex(i)
		}
	}
	f.tabs.OnSelected = func(*container.TabItem) {
		if f.window.Canvas().Overlays().Top() == nil {
			f.window.Canvas().Unfocus() // Else keys go on to what is no longer seen: Delete would delete a photo of Review.
		}
		f.tabShown()
	}
	f.body = container.NewStack()
	f.window.SetMainMenu(f.menu())
	f.window.SetContent(container.New(&atLeast{}, container.NewBorder(
		container.NewVBox(container.NewPadded(f.top), widget.NewSeparator()),
		f.status.build(), nil, nil, f.body)))
	f.showDataset()
}

// atLeast gives its one object all room, and the window its smallest size, which does not grow with what is in it.
type atLeast struct{}

func (*atLeast) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(smallestWidth, smallestHeight)
}

func (*atLeast) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Resize(size)
	}
}

func (f *Frame) titles() map[string]string {
	return map[string]string{
		tabCollect: f.tx.T("frame.tab.collect"), tabReview: f.tx.T("frame.tab.review"),
		tabRetrain: f.tx.T("frame.tab.retrain"), tabClassify: f.tx.T("frame.tab.classify"),
	}
}

// Select brings a tab to the front.
func (f *Frame) Select(name string) {
	f.leaveGreeting()
	for i, n := range f.names {
		if n == name {
			f.tabs.SelectIndex(i)
		}
	}
}

// selected names the tab at the front, or "" while the greeting is shown.
func (f *Frame) selected() string {
	if f.greets() {
		return ""
	}
	return f.names[f.tabs.SelectedIndex()]
}

func (f *Frame) tabShown() {
	if f.greets() {
		return
	}
	i := f.tabs.SelectedIndex()
	f.p.Settings.SetString(prefTab, f.names[i])
	front := f.all()[i]
	if f.front != nil && f.front != front {
		f.front.Hidden()
	}
	f.front = front
	front.Shown()
}

// popUp shows a menu below a button.
func (f *Frame) popUp(below fyne.CanvasObject, m *fyne.Menu) {
	at := f.p.App.Driver().AbsolutePositionForObject(below).Add(fyne.NewPos(0, below.Size().Height))
	widget.ShowPopUpMenuAtPosition(m, f.window.Canvas(), at)
}

// datasetChanged shows the dataset that was opened or left.
func (f *Frame) datasetChanged() {
	changed := f.session.library != f.told
	if changed {
		f.told = f.session.library
		if f.front != nil {
			f.front.Hidden() // It draws in a turn of its own, below: together all this takes too long.
		}
		f.tellTabs(f.told)
	}
	if f.session.library != nil {
		f.opened, f.draft = true, draft{}
	}
	f.showDataset()
	if changed {
		f.p.Dispatch(f.tabShown) // Its photos take the keyboard's focus, now that they are in the window.
	}
}

func (f *Frame) showDataset() {
	switch {
	case f.session.opening != "":
		f.dataset.SetText(filepath.Base(f.session.opening))
		f.path.SetText(f.tx.T("frame.dataset.opening"))
	case f.session.library != nil:
		f.dataset.SetText(filepath.Base(f.session.library.Dir()))
		f.path.SetText(f.session.library.Dir())
		f.window.SetTitle(filepath.Base(f.session.library.Dir()) + " – Kaika")
	default:
		f.dataset.SetText(f.tx.T("frame.dataset.none"))
		f.path.SetText("")
		f.window.SetTitle("Kaika")
	}
	f.top.Refresh() // The button has its width by its text.
	was := slices.Clone(f.body.Objects)
	switch {
	case f.greets():
		f.body.Objects = []fyne.CanvasObject{f.greeting()}
	case len(was) == 0 || was[0] != f.tabs:
		f.body.Objects = []fyne.CanvasObject{f.tabs}
	default:
		return
	}
	f.body.Refresh()
	if len(was) > 0 && !f.greets() {
		f.tabShown()
	}
}

// greets tells whether nobody has opened a dataset yet.
func (f *Frame) greets() bool {
	return !f.opened && f.session.opening == "" && len(f.session.Recent()) == 0
}

func (f *Frame) leaveGreeting() {
	if !f.opened {
		f.opened = true
		f.showDataset()
	}
}

// greeting is what the first start shows: three ways in.
func (f *Frame) greeting() fyne.CanvasObject {
	icon := widget.NewIcon(f.p.App.Icon())
	title := widget.NewLabelWithStyle(f.tx.T("frame.greeting.title"), fyne.TextAlignCenter, fyne.TextStyle{Bold: true})
	title.SizeName = theme.SizeNameHeadingText
	words := widgets.NewCenteredText(f.tx.T("frame.greeting.text"))
	way := func(icon fyne.Resource, title, text string, do func()) fyne.CanvasObject {
		button := widgets.NewButton(title, icon, do)
		button.Importance = widget.HighImportance
		return widget.NewCard("", "", container.NewVBox(button, widgets.NewCenteredText(text)))
	}
	ways := container.NewGridWithColumns(3,
		way(theme.FolderOpenIcon(), f.tx.T("frame.greeting.open"), f.tx.T("frame.greeting.open.text"), f.chooseDataset),
		way(theme.DownloadIcon(), f.tx.T("frame.greeting.collect"), f.tx.T("frame.greeting.collect.text"), func() { f.newDataset(func() { f.Select(tabCollect) }) }),
		way(theme.ColorPaletteIcon(), f.tx.T("frame.greeting.example"), f.tx.T("frame.greeting.example.text",
			"Name", f.p.Example.Name, "Size", f.tx.Bytes(f.p.Example.Bytes)), f.fetchExample),
	)
	later := widgets.NewButton(f.tx.T("frame.greeting.later"), nil, f.leaveGreeting)
	later.Importance = widget.LowImportance
	return container.NewVScroll(container.NewPadded(container.NewVBox(
		layout.NewSpacer(), container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(96), icon)),
		title, words, ways, container.NewHBox(layout.NewSpacer(), later, layout.NewSpacer()), layout.NewSpacer(),
	)))
}

// askToClose closes the window, after a question while a job runs; and after another one where a job that was asked to
// stop has not yet.
func (f *Frame) askToClose() {
	words := f.unfinished()
	switch {
	case f.question != nil:
		return
	case f.closing:
		f.ask(f.tx.T("frame.leave.title"), f.tx.T("frame.leave.text"), f.tx.T("frame.leave.no"), f.tx.T("frame.leave.yes"), f.leave)
		return
	case words == "":
		f.close()
		return
	}
	f.ask(f.tx.T("frame.close.title"), words, f.tx.T("frame.close.no"), f.tx.T("frame.close.yes"), f.close)
}

func (f *Frame) ask(title, words, no, yes string, do func()) {
	f.questionText = widgets.NewText(words)
	f.question = widgets.NewDialog(f.window, title, no, f.questionText, 460, 0)
	f.question.SetIcon(theme.QuestionIcon())
	f.question.SetDanger(yes, do)
	f.question.SetOnClosed(func() { f.question = nil })
	f.question.Open(nil)
}

// leave closes the window though a job has not stopped, on a drive or a network that does not answer, say.
func (f *Frame) leave() {
	f.left = true
	f.window.Close()
}

// askAgain mends the question whether to close after a job has begun or ended: when none runs any more there is nothing
// to ask. The window stays, because nobody said yes.
func (f *Frame) askAgain() {
	if f.question == nil || f.closing {
		return
	}
	words := f.unfinished()
	if words == "" {
		f.question.Close()
		return
	}
	f.questionText.SetText(words)
	f.question.Fit()
}

// unfinished says what becomes of the jobs that run if the window closes now; nothing where none runs.
func (f *Frame) unfinished() string {
	tx := f.tx
	var words []string
	for _, r := range []*job.Runner{f.jobs, f.answers} {
		s := r.State()
		switch {
		case !s.Running:
		case s.Kind == "retrain":
			words = append(words, tx.T("frame.close.retrain"))
		case s.Kind == "collect":
			words = append(words, tx.T("frame.close.collect"))
		case s.Kind == "classify":
			words = append(words, tx.T("frame.close.classify"))
		case s.Kind == "fetch_base" || s.Kind == jobExample:
			words = append(words, tx.T("frame.close.download", "Job", f.status.title(s.Kind)))
		default:
			words = append(words, tx.T("frame.close.other", "Job", f.status.title(s.Kind)))
		}
	}
	for _, b := range []busy{f.inbox, f.retrain, f.classify} {
		if what, is := b.Busy(); is {
			words = append(words, what)
		}
	}
	return tx.Sentences(words...)
}

// busy is a tab or a dialog that has work of its own, beside the jobs.
type busy interface {
	// Busy says what becomes of the work if the window closes now, in a sentence; and whether there is any.
	Busy() (what string, is bool)
}

// close ends the work beside, and then the window: a job needs a moment to put away what it has done.
func (f *Frame) close() {
	f.closing = true
	f.jobs.Cancel()
	f.answers.Cancel()
	f.status.say(func() string { return f.tx.T("frame.close.wait") })
	go func() { // It ends with the process at the latest: after it there is nobody left to wait.
		f.jobs.Close()
		f.answers.Close()
		f.p.Dispatch(f.window.Close)
	}()
}

// savedSize reads a size that Close has written.
func savedSize(text string) fyne.Size {
	var w, h float32
	if n, err := fmt.Sscanf(text, "%fx%f", &w, &h); n != 2 || err != nil || math.IsNaN(float64(w+h)) {
		return fyne.NewSize(firstWidth, firstHeight)
	}
	const largest = 8192
	return fyne.NewSize(min(max(w, smallestWidth), largest), min(max(h, smallestHeight), largest))
}
