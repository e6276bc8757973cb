package retrain

import (
	"image"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/dataset"
	"kaika/core/picture"
	"kaika/core/train"
	"kaika/ui/widgets"
)

// resultPage shows how good the shown run's model is.
type resultPage struct {
	v       *view
	page    *widgets.Page
	nothing fyne.CanvasObject
	shown   *container.Scroll

	title, interval, figures *widgets.Text
	accuracy                 *widget.Label
	findings                 *fyne.Container
	skipped                  *widgets.Button
	matrix                   *matrix         // The shown run's; nil where nothing was tested.
	place                    *fyne.Container // Holds it.
	matrixBox                *fyne.Container
	pointed                  *widget.Label
}

func newResultPage(v *view) *resultPage {
	tx := v.tx
	p := &resultPage{
		v: v, nothing: nothing(tx.T("retrain.result.none")),
		title: caption(""), accuracy: widget.NewLabel(""), interval: widgets.NewText(""), figures: caption(""), findings: container.NewVBox(), pointed: widget.NewLabel(""),
	}
	p.accuracy.SizeName = theme.SizeNameHeadingText
	p.accuracy.TextStyle.Bold = true
	p.pointed.Truncation = fyne.TextTruncateEllipsis
	p.place = container.NewStack()
	p.skipped = widgets.NewButton("", theme.WarningIcon(), p.showSkipped)
	p.skipped.Importance = widget.LowImportance
	use := widgets.NewButton(tx.T("retrain.use"), theme.SearchIcon(), func() { v.useRun(*v.p.result) })
	use.Importance = widget.HighImportance
	export := widgets.NewButton(tx.T("retrain.export.model"), theme.DocumentSaveIcon(), func() { v.exportModel(*v.p.result) })
	folder := widgets.NewButton("", theme.FolderOpenIcon(), func() { v.params.OpenFolder(v.p.result.Dir) })
	p.matrixBox = container.NewBorder(
		container.New(snug{}, heading(tx.T("retrain.matrix.title")), caption(tx.T("retrain.matrix.hint"))), p.pointed, nil, nil, p.place)
	head := container.NewVBox(
		container.New(snug{}, p.title, p.accuracy, p.interval, p.figures), p.findings,
		row(use, export, folder), row(p.skipped),
	)
	p.shown = container.NewVScroll(container.NewBorder(head, nil, nil, nil, p.matrixBox))
	p.page = widgets.NewPage(tx.T("retrain.page.result"), p.nothing)
	return p
}

// cellWords says what a cell of the matrix counts.
func (v *view) cellWords(label, given string, photos int) string {
	if label == given {
		return v.tx.N("retrain.cell.right", photos, "Label", label)
	}
	return v.tx.N("retrain.cell.wrong", photos, "Label", label, "Given", given)
}

// openCell opens the photos behind a cell.
func (p *resultPage) openCell(label, given string) {
	files := behind(p.v.p.result.Answers, label, given)
	p.v.params.ShowPhotos(files, p.v.cellWords(label, given, len(files)))
}

func (p *resultPage) refresh() {
	v := p.v
	r := v.p.result
	if r == nil {
		p.page.Show(p.nothing)
		return
	}
	report := r.Report
	p.title.SetText(v.tx.T("retrain.result.title", "Run", v.title(*r), "Base", v.baseTitle(r.Base.Name),
		"Photos", v.tx.N("retrain.photos", report.Photos.Total), "Steps", v.tx.N("retrain.steps", report.Steps)))
	p.showAccuracy(report)
	p.findings.RemoveAll()
	for _, m := range findings(*r) {
		p.findings.Add(container.NewBorder(nil, nil, container.NewCenter(widget.NewIcon(theme.InfoIcon())), nil, widgets.NewText(v.words(m))))
	}
	if n := len(report.Skipped); n > 0 {
		p.skipped.SetText(v.tx.N("retrain.skipped", n))
		p.skipped.Show()
	} else {
		p.skipped.Hide()
	}
	p.pointed.SetText("")
	if m := report.ConfusionMatrix; m != nil {
		p.matrix = newMatrix(*m, p.openCell, func(label, given string, photos int) {
			p.pointed.SetText(v.cellWords(label, given, photos))
		})
		p.matrix.gained = func() { widgets.Reveal(p.shown, p.place, p.pointed) }
		p.place.Layout = &atLeast{fyne.NewSize(200, p.matrix.room())}
		p.place.Objects = []fyne.CanvasObject{p.matrix}
		if len(m.Labels) <= mostRows {
			p.place.Add(newWheel(p.shown, nil))
		}
		p.matrixBox.Show()
	} else {
		p.matrix = nil
		p.matrixBox.Hide()
	}
	p.page.Show(p.shown)
}

func (p *resultPage) showAccuracy(report *train.Report) {
	v := p.v
	setText(p.accuracy, v.tx.T("retrain.result.untested"))
	setText(p.interval, "")
	if t := report.Test; t != nil {
		setText(p.accuracy, v.tx.T("retrain.result.accuracy", "Accuracy", v.tx.Percent(t.Accuracy, 1)))
		low, high := v.interval(t)
		setText(p.interval, v.tx.N("retrain.result.interval", t.Count, "Right", v.tx.Number(t.Correct), "Low", low, "High", high))
	}
	figures := v.tx.T("retrain.result.train", "Accuracy", v.tx.Percent(report.Train.Accuracy, 1), "Photos", v.tx.Number(report.Photos.Train))
	if report.Validation != nil {
		figures = v.tx.T("retrain.result.both", "Train", figures, "Accuracy", v.tx.Percent(report.Validation.Accuracy, 1),
			"Photos", v.tx.Number(report.Photos.Validation))
	}
	p.figures.SetText(figures)
}

// showSkipped lists the files that were not used.
func (p *resultPage) showSkipped() {
	skipped := p.v.p.result.Report.Skipped
	list := widgets.NewList(
		func() int { return len(skipped) },
		func() fyne.CanvasObject {
			path := widget.NewLabel("")
			path.Truncation = fyne.TextTruncateEllipsis
			return container.NewVBox(path, caption("\n")) // As high as two lines.
		},
		func(i widget.ListItemID, o fyne.CanvasObject) {
			box, ok := o.(*fyne.Container)
			if !ok {
				return
			}
			for k, text := range []string{skipped[i].Path, p.v.reason(skipped[i].Reason)} {
				if l, ok := box.Objects[k].(interface{ SetText(text string) }); ok {
					l.SetText(text)
				}
			}
		})
	widgets.NewDialog(p.v.params.Window, p.v.tx.N("retrain.skipped", len(skipped)), p.v.tx.T("kit.close"), list, 680, 460).Open(list)
}

// reasons are the texts of why a file was not used.
var reasons = map[picture.Reason]string{
	picture.Empty: "retrain.reason.empty", picture.NotAPicture: "retrain.reason.not_a_picture", picture.TooLarge: "retrain.reason.too_large",
	picture.TooManyPixels: "retrain.reason.too_many_pixels", picture.Truncated: "retrain.reason.truncated", picture.Damaged: "retrain.reason.damaged",
	picture.Unsupported: "retrain.reason.unsupported", picture.Unreadable: "retrain.reason.unreadable",
	dataset.CircularLink: "retrain.reason.circular_link", dataset.EmptyLabel: "retrain.reason.empty_label", dataset.NoLabel: "retrain.reason.no_label",
}

func (v *view) reason(r picture.Reason) string {
	if key, known := reasons[r]; known {
		return v.tx.T(key)
	}
	return string(r)
}

// mistakesPage lists the test photos that the shown run's model gets wrong.
type mistakesPage struct {
	v       *view
	page    *widgets.Page
	nothing *widgets.Text
	shown   fyne.CanvasObject

	pairs  *widgets.Select
	kinds  []pair // Behind the options of pairs, but the first, which is all.
	show   *widgets.Button
	list   *widgets.List
	all    []train.Answer // The surest first.
	listed []train.Answer
}

// mostPairs is how many of the most confused pairs of labels can be chosen. The matrix shows all.
const mostPairs = 50

func newMistakesPage(v *view) *mistakesPage {
	m := &mistakesPage{v: v}
	m.nothing = widgets.NewCenteredText("")
	m.pairs = widgets.NewSelect(nil, func(string) { m.filter() })
	m.show = widgets.NewButton(v.tx.T("retrain.mistakes.show"), theme.GridIcon(), func() {
		m.open(m.listed, m.pairs.Selected)
	})
	m.list = widgets.NewList(
		func() int { return len(m.listed) },
		func() fyne.CanvasObject { return newMistake(v) },
		func(i widget.ListItemID, o fyne.CanvasObject) {
			if row, ok := o.(*mistake); ok {
				row.set(m.listed[i])
			}
		})
	m.list.OnSelected = func(i widget.ListItemID) {
		m.list.UnselectAll() // So that it can be chosen again.
		m.open(m.listed[i:i+1], v.answerWords(m.listed[i]))
	}
	m.shown = container.NewBorder(container.NewBorder(nil, nil, nil, m.show, m.pairs), nil, nil, nil, m.list)
	m.page = widgets.NewPage(v.tx.T("retrain.page.mistakes"), m.nothing)
	return m
}

// answerWords says what a photo is and what it was taken for.
func (v *view) answerWords(a train.Answer) string {
	return v.tx.T("retrain.mistake", "Label", a.Label, "Given", a.Predicted, "Score", v.tx.Percent(a.Score, 1))
}

func (m *mistakesPage) open(answers []train.Answer, title string) {
	files := make([]string, len(answers))
	for i, a := range answers {
		files[i] = a.File
	}
	m.v.params.ShowPhotos(files, title)
}

func (m *mistakesPage) refresh() {
	v := m.v
	m.all, m.kinds = nil, nil
	m.nothing.SetText(v.tx.T("retrain.result.none"))
	if r := v.p.result; r != nil {
		m.all = mistakes(r.Report)
		if c := r.Report.ConfusionMatrix; c != nil {
			m.kinds = confused(*c)
			m.kinds = m.kinds[:min(len(m.kinds), mostPairs)]
		}
		switch {
		case r.Report.Test == nil:
			m.nothing.SetText(v.tx.T("retrain.result.untested"))
		case len(m.all) == 0:
			m.nothing.SetText(v.tx.N("retrain.mistakes.none", r.Report.Test.Count))
		}
	}
	title := v.tx.T("retrain.page.mistakes")
	if len(m.all) > 0 {
		title = v.tx.T("retrain.page.mistakes.count", "Count", v.tx.Number(len(m.all)))
	}
	options := []string{v.tx.N("retrain.mistakes.all", len(m.all))}
	for _, k := range m.kinds {
		options = append(options, v.tx.T("retrain.mistakes.pair", "Label", k.label, "Given", k.predicted, "Count", v.tx.Number(k.photos)))
	}
	m.pairs.SetOptions(options)
	m.pairs.SetSelectedIndex(0)
	m.filter()
	if len(m.all) > 0 {
		m.page.Show(m.shown)
	} else {
		m.page.Show(container.NewVScroll(m.nothing))
	}
	m.page.SetTitle(title)
}

// filter lists the mistakes of the chosen pair of labels.
func (m *mistakesPage) filter() {
	m.listed = m.all
	if at := m.pairs.SelectedIndex(); at > 0 && at <= len(m.kinds) {
		kind := m.kinds[at-1]
		m.listed = nil
		for _, a := range m.all {
			if a.Label == kind.label && a.Predicted == kind.predicted {
				m.listed = append(m.listed, a)
			}
		}
	}
	m.list.Refresh()
	m.list.ScrollToTop()
}

// mistake is a row of the list: the photo, what it is, and what it was taken for.
type mistake struct {
	widget.BaseWidget

	v       *view
	file    string
	cancel  func()
	picture *canvas.Image
	words   *widget.Label
	scores  *widget.Label
}

// thumbSide is the side of a mistake's picture.
const thumbSide = 64

func newMistake(v *view) *mistake {
	m := &mistake{v: v, picture: canvas.NewImageFromImage(blank), words: widget.NewLabel(""), scores: small()}
	m.picture.FillMode, m.picture.ScaleMode = canvas.ImageFillContain, canvas.ImageScaleFastest
	m.picture.SetMinSize(fyne.NewSquareSize(thumbSide))
	m.words.Truncation = fyne.TextTruncateEllipsis
	m.ExtendBaseWidget(m)
	return m
}

// blank is shown until a picture is there.
var blank = image.NewRGBA(image.Rect(0, 0, 1, 1))

// CreateRenderer implements fyne.Widget.
func (m *mistake) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewBorder(nil, nil, m.picture, nil, container.New(snug{}, m.words, m.scores)))
}

// set shows an answer.
func (m *mistake) set(a train.Answer) {
	v := m.v
	m.words.SetText(v.answerWords(a))
	m.scores.SetText(v.tx.T("retrain.mistake.file", "Score", v.tx.Percent(a.TrueScore, 1), "File", filepath.Base(a.File)))
	key, found := v.p.thumbs[a.File]
	if !found && v.p.thumbs != nil {
		m.scores.SetText(v.tx.T("retrain.mistake.gone", "File", filepath.Base(a.File)))
	}
	if m.file == a.File && (m.cancel != nil || m.picture.Image != blank) {
		return
	}
	if m.cancel != nil {
		m.cancel()
		m.cancel = nil
	}
	m.file = a.File
	m.picture.Image = blank
	if found {
		if picture, ok := v.params.Thumbs.Peek(key); ok {
			m.picture.Image = picture
		} else {
			m.cancel = v.params.Thumbs.Load(key, func(picture image.Image, err error) { v.p.later(func() { m.loaded(a.File, picture, err) }) })
		}
	}
	m.picture.Refresh()
}

// loaded shows a picture, if the row still shows that file.
func (m *mistake) loaded(file string, picture image.Image, err error) {
	if m.file != file {
		return
	}
	m.cancel = nil
	if err == nil && picture != nil {
		m.picture.Image = picture
		m.picture.Refresh()
	}
}
