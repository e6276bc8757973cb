package retrain

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/experiment"
	"kaika/ui/chart"
	"kaika/ui/widgets"
)

// comparePage lays the chosen runs over each other.
type comparePage struct {
	v       *view
	page    *widgets.Page
	nothing fyne.CanvasObject
	scroll  *container.Scroll

	accuracy, crossEntropy *chart.Chart
	// Test accuracy by number of photos and by steps; each is shown where the runs differ in that.
	byPhotos, bySteps   *chart.Chart
	photosBox, stepsBox *fyne.Container
	limit               *widgets.Text
	table               *fyne.Container
}

// chartHeight is the height of a chart of the page, which scrolls.
const chartHeight = 230

func newComparePage(v *view) *comparePage {
	tx := v.tx
	p := &comparePage{v: v, nothing: nothing(tx.T("retrain.compare.none")), limit: caption(tx.T("retrain.compare.limit", "Count", mostCompared)), table: container.NewVBox()}
	p.accuracy, p.crossEntropy = v.charts()
	p.photosBox, p.stepsBox = container.New(&atLeast{fyne.NewSize(240, chartHeight)}), container.New(&atLeast{fyne.NewSize(240, chartHeight)})
	save := widgets.NewButton(tx.T("retrain.save"), theme.DocumentSaveIcon(), p.export)
	p.scroll = container.NewVScroll(nil)
	wide := container.NewHScroll(p.table)
	p.scroll.Content = container.NewVBox(
		p.limit, container.New(&beside{fyne.NewSize(240, chartHeight)}, p.accuracy, p.crossEntropy), p.photosBox, p.stepsBox,
		container.NewBorder(nil, nil, nil, save, heading(tx.T("retrain.compare.table"))),
		container.NewStack(wide, newWheel(p.scroll, wide)),
	)
	p.page = widgets.NewPage(tx.T("retrain.page.compare"), p.nothing)
	return p
}

func (p *comparePage) refresh() {
	runs := p.v.p.compared()
	if len(runs) < 2 {
		p.page.Show(p.nothing)
		return
	}
	if len(p.v.p.chosen) > mostCompared {
		p.limit.Show()
	} else {
		p.limit.Hide()
	}
	var accuracy, crossEntropy []chart.Series
	for i, name := range p.names(runs) {
		var c columns
		c.take(runs[i].Points)
		a := chart.Series{Name: name, X: c.validationSteps, Y: c.validationAccuracy, Style: chart.StyleOf(i)}
		e := chart.Series{Name: name, X: c.validationSteps, Y: c.validationCrossEntropy, Style: chart.StyleOf(i)}
		if len(c.validationSteps) == 0 {
			// A run without validation photos has only what it was trained with.
			trained := p.v.tx.T("retrain.compare.train_only", "Run", name)
			a = chart.Series{Name: trained, X: c.steps, Y: c.smooth(c.accuracy), Style: chart.StyleOf(i)}
			e = chart.Series{Name: trained, X: c.steps, Y: c.smooth(c.crossEntropy), Style: chart.StyleOf(i)}
		}
		accuracy, crossEntropy = append(accuracy, a), append(crossEntropy, e)
	}
	p.accuracy.SetSeries(accuracy)
	p.crossEntropy.SetSeries(crossEntropy)
	tx := p.v.tx
	p.byPhotos = p.show(p.photosBox, tx.T("retrain.compare.by_photos"), tx.T("retrain.setting.photos"), runs, func(r experiment.Run) int { return r.Report.Photos.Total })
	p.bySteps = p.show(p.stepsBox, tx.T("retrain.compare.by_steps"), tx.T("retrain.setting.steps_done"), runs, func(r experiment.Run) int { return r.Report.Steps })
	p.fill(runs)
	p.page.Show(p.scroll)
}

// names names runs so that no two are alike.
func (p *comparePage) names(runs []experiment.Run) []string {
	names := make([]string, len(runs))
	seen := map[string]int{}
	for i, r := range runs {
		names[i] = p.v.title(r)
		seen[names[i]]++
	}
	for i, r := range runs {
		if seen[names[i]] > 1 {
			names[i] += " " + r.ID[max(0, len(r.ID)-4):]
		}
	}
	return names
}

// show shows test accuracy by a number in which the runs differ: a line for each base model. It gives nil where there is
// nothing to show.
func (p *comparePage) show(box *fyne.Container, title, x string, runs []experiment.Run, by func(experiment.Run) int) *chart.Chart {
	tested := slices.DeleteFunc(slices.Clone(runs), func(r experiment.Run) bool { return r.Report.Test == nil })
	if len(tested) < 2 || !slices.ContainsFunc(tested, func(r experiment.Run) bool { return by(r) != by(tested[0]) }) {
		box.Hide()
		return nil
	}
	slices.SortStableFunc(tested, func(a, b experiment.Run) int { return cmp.Compare(by(a), by(b)) })
	least := 1.0
	var bases []string
	series := map[string]*chart.Series{}
	for _, r := range tested {
		s, known := series[r.Base.Name]
		if !known {
			s = &chart.Series{Name: p.v.baseTitle(r.Base.Name), Style: chart.StyleOf(len(bases))}
			series[r.Base.Name] = s
			bases = append(bases, r.Base.Name)
		}
		s.X, s.Y = append(s.X, float64(by(r))), append(s.Y, r.Report.Test.Accuracy)
		least = min(least, r.Report.Test.Accuracy)
	}
	all := make([]chart.Series, len(bases))
	for i, name := range bases {
		all[i] = *series[name]
	}
	tx := p.v.tx
	c := chart.New(chart.Options{
		Title: title, XLabel: x, Decimals: 3,
		FormatX: func(x float64) string { return tx.Number(int(x)) },
		Format:  func(y float64, decimals int) string { return tx.Percent(y, max(0, decimals-2)) },
		// Differences of a few points are to be seen, so the axis begins at the next 10 % below them.
		YMin: math.Max(0, math.Floor(10*least-0.2)/10), YMax: 1,
	})
	c.Focus = p.v.params.Window.Canvas().Focus
	c.SetSeries(all)
	box.Objects = []fyne.CanvasObject{c}
	box.Show()
	box.Refresh()
	return c
}

// fill fills the table: a column for each run, what came out first, then the settings, those that differ first and marked.
func (p *comparePage) fill(runs []experiment.Run) {
	v := p.v
	cell := func(text string, bold bool) fyne.CanvasObject {
		l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: bold})
		l.Truncation = fyne.TextTruncateEllipsis
		return fixed(l, 170)
	}
	line := func(name string, bold bool, value func(i int) string) {
		cells := container.NewHBox(cell(name, bold))
		for i := range runs {
			cells.Add(cell(value(i), bold))
		}
		p.table.Add(cells)
	}
	p.table.RemoveAll()
	names := p.names(runs)
	line("", true, func(i int) string { return names[i] })
	line(v.tx.T("retrain.compare.test"), true, func(i int) string { return v.accuracy(runs[i].Report.Test) })
	line(v.tx.T("retrain.compare.validation"), false, func(i int) string {
		if f := runs[i].Report.Validation; f != nil {
			return v.tx.Percent(f.Accuracy, 1)
		}
		return "–"
	})
	line(v.tx.T("retrain.compare.training"), false, func(i int) string { return v.tx.Percent(runs[i].Report.Train.Accuracy, 1) })
	line(v.tx.T("retrain.compare.started"), false, func(i int) string { return v.tx.Time(runs[i].Started) })
	settings := experiment.Compare(runs)
	slices.SortStableFunc(settings, func(a, b experiment.Setting) int { return -cmp.Compare(differs(a), differs(b)) })
	for _, s := range settings {
		name := v.tx.T("retrain.setting." + s.Name)
		if s.Differs {
			name = v.tx.T("retrain.compare.differs", "Setting", name)
		}
		line(name, s.Differs, func(i int) string {
			if s.Name == "dataset" {
				return datasetName(runs[i])
			}
			return v.value(s.Name, s.Values[i])
		})
	}
	p.table.Refresh()
	p.scroll.Refresh()
}

func differs(s experiment.Setting) int {
	if s.Differs {
		return 1
	}
	return 0
}

// datasetName is the name of a run's dataset as people call it.
func datasetName(r experiment.Run) string { return filepath.Base(r.Dataset) }

// export asks for a folder and writes the comparison there.
func (p *comparePage) export() {
	runs := p.v.p.compared()
	figures := []figure{{"accuracy", p.accuracy.Figure()}, {"cross-entropy", p.crossEntropy.Figure()}}
	if p.byPhotos != nil {
		figures = append(figures, figure{"by-photos", p.byPhotos.Figure()})
	}
	if p.bySteps != nil {
		figures = append(figures, figure{"by-steps", p.bySteps.Figure()})
	}
	p.v.exportRuns("comparison", runs, figures)
}
