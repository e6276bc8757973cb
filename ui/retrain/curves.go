package retrain

import (
	"bytes"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/assets"
	"kaika/core/experiment"
	"kaika/core/train"
	"kaika/ui/chart"
	"kaika/ui/widgets"
)

// columns are points as a chart takes them. They only grow while points do, so charts may keep what they were given.
type columns struct {
	steps, accuracy, crossEntropy                               []float64
	validationSteps, validationAccuracy, validationCrossEntropy []float64
	first                                                       *train.Point // Tells one list from another. One that has grown out of its memory is taken anew.
}

// take takes points: those that are new, if it is the same list, longer.
func (c *columns) take(points []train.Point) {
	if len(points) == 0 {
		*c = columns{}
		return
	}
	if c.first != &points[0] || len(points) < len(c.steps) {
		*c = columns{first: &points[0]}
	}
	for _, p := range points[len(c.steps):] {
		c.steps = append(c.steps, float64(p.Step))
		c.accuracy = append(c.accuracy, p.TrainAccuracy)
		c.crossEntropy = append(c.crossEntropy, p.TrainCrossEntropy)
		if p.ValidationAccuracy != nil && p.ValidationCrossEntropy != nil {
			c.validationSteps = append(c.validationSteps, float64(p.Step))
			c.validationAccuracy = append(c.validationAccuracy, *p.ValidationAccuracy)
			c.validationCrossEntropy = append(c.validationCrossEntropy, *p.ValidationCrossEntropy)
		}
	}
}

// smoothing is the span, in shares of all steps, over which the figures of single batches are averaged.
const smoothing = 0.02

func (c *columns) smooth(ys []float64) []float64 {
	if len(c.steps) == 0 {
		return nil
	}
	return chart.Smooth(c.steps, ys, math.Max(1, smoothing*c.steps[len(c.steps)-1]))
}

// curvesPage shows the curves of the training at work, or of the run that is shown.
type curvesPage struct {
	v                      *view
	page                   *widgets.Page
	title                  *widget.Label
	save                   *widgets.Button
	accuracy, crossEntropy *chart.Chart
	columns                columns
}

func newCurvesPage(v *view) *curvesPage {
	c := &curvesPage{v: v, title: widget.NewLabel("")}
	c.title.Truncation = fyne.TextTruncateEllipsis
	c.accuracy, c.crossEntropy = v.charts()
	c.save = widgets.NewButton(v.tx.T("retrain.save"), theme.DocumentSaveIcon(), c.export)
	top := container.NewBorder(nil, nil, nil, c.save, c.title)
	charts := container.New(&beside{fyne.NewSize(240, 120)}, c.accuracy, c.crossEntropy)
	c.page = widgets.NewPage(v.tx.T("retrain.page.curves"), container.NewBorder(top, nil, nil, nil, charts))
	return c
}

// charts makes the two charts of curves.
func (v *view) charts() (accuracy, crossEntropy *chart.Chart) {
	tx := v.tx
	steps := func(x float64) string { return tx.Number(int(x)) }
	accuracy = chart.New(chart.Options{
		Title: tx.T("retrain.chart.accuracy"), XLabel: tx.T("retrain.chart.step"), Empty: tx.T("retrain.chart.empty"),
		YMin: 0, YMax: 1, Decimals: 3, FormatX: steps,
		Format: func(y float64, decimals int) string { return tx.Percent(y, max(0, decimals-2)) },
	})
	crossEntropy = chart.New(chart.Options{
		Title: tx.T("retrain.chart.cross_entropy"), XLabel: tx.T("retrain.chart.step"), Empty: tx.T("retrain.chart.empty"), FormatX: steps,
	})
	accuracy.Focus, crossEntropy.Focus = v.params.Window.Canvas().Focus, v.params.Window.Canvas().Focus
	return accuracy, crossEntropy
}

func (c *curvesPage) refresh() {
	v := c.v
	c.columns.take(v.p.points())
	steps := 0.0
	switch now, running := v.p.progress(); {
	case running && now.kind == JobTrain:
		c.title.SetText(v.tx.T("retrain.curves.now"))
		steps = float64(v.p.settings.Params.Steps)
	case v.p.result != nil:
		c.title.SetText(v.title(*v.p.result))
	default:
		c.title.SetText("")
	}
	names := []string{v.tx.T("retrain.series.batch"), v.tx.T("retrain.series.train"), v.tx.T("retrain.series.validation")}
	series := func(train, validation []float64) []chart.Series {
		all := []chart.Series{
			{Name: names[0], X: c.columns.steps, Y: train, Style: chart.Raw},
			{Name: names[1], X: c.columns.steps, Y: c.columns.smooth(train), Style: chart.Train},
		}
		if len(validation) > 0 {
			all = append(all, chart.Series{Name: names[2], X: c.columns.validationSteps, Y: validation, Style: chart.Validation})
		}
		return all
	}
	if len(c.columns.steps) == 0 {
		series = func(_, _ []float64) []chart.Series { return nil }
	}
	c.accuracy.SetSteps(steps)
	c.crossEntropy.SetSteps(steps)
	c.accuracy.SetSeries(series(c.columns.accuracy, c.columns.validationAccuracy))
	c.crossEntropy.SetSeries(series(c.columns.crossEntropy, c.columns.validationCrossEntropy))
	if v.p.result != nil && v.p.live == nil {
		c.save.Enable()
	} else {
		c.save.Disable()
	}
}

// export asks for a folder and writes the shown run's curves there.
func (c *curvesPage) export() {
	if c.v.p.result == nil {
		return
	}
	run := *c.v.p.result
	c.v.exportRuns(run.ID, []experiment.Run{run}, []figure{
		{"accuracy", c.accuracy.Figure()}, {"cross-entropy", c.crossEntropy.Figure()},
	})
}

// figure is a chart that is exported, and its part of the file's name.
type figure struct {
	name   string
	figure chart.Figure
}

// Width and height in pixels of exported charts.
const exportWidth, exportHeight = 1600, 900

// exportRuns asks for a folder and writes charts as PNG, and curves and settings of runs as CSV.
func (v *view) exportRuns(name string, runs []experiment.Run, figures []figure) {
	v.chooseFolder(v.tx.T("retrain.export.title"), func(dir string) { v.p.save(dir, exported(name, runs, figures)) })
}

// exported gives the files of an export. Their contents are made when they are asked for, by any goroutine.
func exported(name string, runs []experiment.Run, figures []figure) []file {
	var files []file
	for _, f := range figures {
		files = append(files, file{name + "-" + f.name, ".png", func() ([]byte, error) {
			var b bytes.Buffer
			err := f.figure.PNG(&b, exportWidth, exportHeight, false, assets.FontRegular)
			return b.Bytes(), err
		}})
	}
	return append(files,
		file{name + "-curves", ".csv", func() ([]byte, error) { return curvesCSV(runs) }},
		file{name + "-runs", ".csv", func() ([]byte, error) { return runsCSV(runs) }})
}

// nothing fills a page that shows nothing yet.
func nothing(text string) fyne.CanvasObject {
	return container.NewVBox(layout.NewSpacer(), widgets.NewCenteredText(text), layout.NewSpacer())
}
