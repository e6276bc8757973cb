package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kaika/core/dataset"
	"kaika/core/feature"
	"kaika/core/picture"
	"kaika/core/train/eventfile"
	"kaika/core/trained"
)

// Phase is a part of a retraining.
type Phase string

// The phases, in their order.
const (
	Features Phase = "features"
	Views    Phase = "views" // Features of augmented photos.
	Training Phase = "training"
	Writing  Phase = "writing"
)

// Event tells how a retraining goes on.
type Event struct {
	Phase    Phase
	Progress feature.Progress // In Features and Views.
	Point    *Point           // In Training.
	Steps    int              // Steps that will be done.
}

// Retrainer retrains.
type Retrainer struct {
	Engine  Engine
	Cache   *feature.Cache
	Log     *slog.Logger
	Version string           // Of Kaika, for model.json.
	Host    string           // For the names of event files.
	Now     func() time.Time // Time for records that people read; it changes no model.
	Observe func(Event)      // May be nil.
	Stop    <-chan struct{}  // Closing it ends the training after the step at hand; what is there is tested and written. nil never does.
}

// divided is a dataset with the side of each photo.
type divided struct {
	*Featured

	sides    []dataset.Side
	warnings []string
	views    int // Augmented views among the training samples.
}

// Run retrains and writes the model folder. When it fails or ctx is done, nothing is written but the cache: an older
// model stays as it was.
func (r *Retrainer) Run(ctx context.Context, p Params) (*Report, error) {
	began := r.Now()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := trained.CheckPlace(p.OutputDir); err != nil {
		return nil, err
	}
	d, fit, err := r.features(ctx, p)
	if err != nil {
		return nil, err
	}
	report := &Report{Labels: d.Labels, Steps: p.Steps, Skipped: d.Skipped, Photos: PhotoCounts{
		Total: len(d.Photos), Train: len(fit.Train.Labels) - d.views, Validation: len(fit.Validation.Labels),
		Test: len(fit.Test.Labels), Skipped: len(d.Skipped), Cached: d.Cached, Views: d.views,
	}}
	report.Seconds.Features = r.Now().Sub(began).Seconds()

	w, err := trained.NewWriter(p.OutputDir)
	if err != nil {
		return nil, err
	}
	discard := func() {
		if err := w.Discard(); err != nil {
			r.Log.Warn("an unfinished model could not be removed", "error", err)
		}
	}
	defer discard()
	trainingBegan := r.Now()
	fitted, err := r.fit(ctx, p, fit, w)
	if err != nil {
		return nil, fmt.Errorf("training: %w", err)
	}
	report.Seconds.Training = r.Now().Sub(trainingBegan).Seconds()
	report.StoppedEarly, report.Steps = fitted.StoppedEarly, fitted.Head.Step
	t := d.measure(report, fit, fitted)
	report.Notes = slices.Concat([]string{}, d.warnings, notes(report, p.TestingPercentage))
	report.Contradictions = d.contradictions()
	switch n := report.Contradictions; n {
	case 0:
	case 1:
		report.Notes = append(report.Notes, "1 photo lies under more than one label: remove it where it is wrong.")
	default:
		report.Notes = append(report.Notes, fmt.Sprintf("%d photos lie under more than one label: remove them where they are wrong.", n))
	}
	r.tell(Event{Phase: Writing})
	if err := r.write(ctx, p, d, report, fitted, t, w); err != nil {
		return nil, err
	}
	report.Seconds.Total = r.Now().Sub(began).Seconds()
	return report, nil
}

func (r *Retrainer) tell(e Event) {
	if r.Observe != nil {
		r.Observe(e)
	}
}

// features lists, divides and embeds the photos.
func (r *Retrainer) features(ctx context.Context, p Params) (*divided, Fit, error) {
	extractor := func(phase Phase) *feature.Extractor {
		return &feature.Extractor{Embedder: r.Engine, Cache: r.Cache, Progress: func(p feature.Progress) {
			r.tell(Event{Phase: phase, Progress: p})
		}}
	}
	f, err := Prepare(ctx, p.ImageDir, extractor(Features))
	if err != nil {
		return nil, Fit{}, err
	}
	d := &divided{Featured: f}
	if d.sides, d.warnings, err = dataset.Split(f.Samples(), f.Labels, p.TestingPercentage, p.ValidationPercentage); err != nil {
		return nil, Fit{}, fmt.Errorf("dividing the photos: %w", err)
	}
	fit := Fit{Settings: p.Settings, Labels: len(f.Labels), StoreFrequency: p.IntermediateFrequency, Stop: r.Stop}
	var training []Photo
	for i, photo := range f.Photos {
		if photo.Origin != (picture.Digest{}) && d.sides[i] != dataset.Train {
			d.sides[i] = unused // A copy of a photo that is measured by itself would only count it twice.
		}
		switch d.sides[i] {
		case dataset.Train:
			fit.Train.Add(photo.Label, photo.Features)
			training = append(training, photo)
		case dataset.Validation:
			fit.Validation.Add(photo.Label, photo.Features)
		case dataset.Test:
			fit.Test.Add(photo.Label, photo.Features)
		}
	}
	if p.TestBatchSize > 0 && p.TestBatchSize < len(fit.Test.Labels) {
		d.thinOut(p.TestBatchSize, p.Seed, &fit.Test)
	}
	fit.ClassWeights = ClassWeights(p.ClassWeighting, fit.Train.Labels, fit.Labels)
	views, err := Augment(ctx, extractor(Views), training, p.Augmentation, p.Seed)
	if err != nil {
		return nil, Fit{}, err
	}
	for i, v := range views {
		fit.Train.Add(training[i].Label, v...)
		d.views += len(v)
	}
	return d, fit, nil
}

// thinOut keeps count test photos, drawn by the seed.
func (d *divided) thinOut(count int, seed int64, test *Samples) {
	order := rand.New(rand.NewPCG(uint64(seed), 0x74657374)).Perm(len(test.Labels))[:count] //nolint:gosec // the same photos are to be drawn again.
	slices.Sort(order)
	var places []int
	for i, side := range d.sides {
		if side == dataset.Test {
			places = append(places, i)
		}
	}
	kept := Samples{}
	for _, i := range order {
		kept.Add(test.Labels[i], test.Features[i])
	}
	for i, place := range places {
		if _, found := slices.BinarySearch(order, i); !found {
			d.sides[place] = unused
		}
	}
	*test = kept
}

// unused marks a test photo beyond the test batch, and a copy that is not trained with.
const unused dataset.Side = 255

// fit has the engine fit the layer, and writes the points and the heads on the way.
func (r *Retrainer) fit(ctx context.Context, p Params, fit Fit, w *trained.Writer) (_ *Fitted, err error) {
	metrics, err := os.Create(w.Path(trained.MetricsFile))
	if err != nil {
		return nil, fmt.Errorf("writing the points of the curves: %w", err)
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	lines := json.NewEncoder(metrics)
	summaries, err := r.openSummaries(p.SummariesDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, summaries.close()) }()
	return r.Engine.Fit(ctx, fit, Observer{
		Point: func(point Point) error {
			r.tell(Event{Phase: Training, Point: &point, Steps: p.Steps})
			if err := lines.Encode(point); err != nil {
				return fmt.Errorf("writing the points of the curves: %w", err)
			}
			return summaries.add(point, r.Now())
		},
		Head: func(h Head) error {
			graph, err := r.Engine.Export(ctx, h, p.FinalTensorName)
			if err != nil {
				return fmt.Errorf("making the graph of step %d: %w", h.Step, err)
			}
			return trained.WriteFile(filepath.Join(p.IntermediateDir, fmt.Sprintf("intermediate_%d.pb", h.Step)), graph)
		},
	})
}

// measure fills in the report's figures and gives the temperature.
func (d *divided) measure(report *Report, fit Fit, fitted *Fitted) float64 {
	validation := Rows(fitted.ValidationLogits, fit.Labels)
	t := temperature(validation, fit.Validation.Labels)
	report.Train.Accuracy, report.Train.CrossEntropy = Accuracy(Rows(fitted.TrainLogits, fit.Labels), fit.Train.Labels, t)
	if len(validation) > 0 {
		report.Validation = &Figures{}
		report.Validation.Accuracy, report.Validation.CrossEntropy = Accuracy(validation, fit.Validation.Labels, t)
	}
	test := Rows(fitted.TestLogits, fit.Labels)
	report.Misclassified = []Answer{}
	if report.Skipped == nil {
		report.Skipped = []dataset.Skip{}
	}
	if len(test) == 0 {
		return t
	}
	report.Test = &Tested{Count: len(test)}
	matrix := NewConfusion(d.Labels)
	at := 0
	for i, photo := range d.Photos {
		if d.sides[i] != dataset.Test {
			continue
		}
		given := Best(test[at])
		matrix.Counts[photo.Label][given]++
		scores := Softmax(test[at], t)
		answer := Answer{
			File: photo.Path, Label: d.Labels[photo.Label], Predicted: d.Labels[given], Score: scores[given], TrueScore: scores[photo.Label],
		}
		report.Answers = append(report.Answers, answer)
		if given == photo.Label {
			report.Test.Correct++
		} else {
			report.Misclassified = append(report.Misclassified, answer)
		}
		at++
	}
	report.ConfusionMatrix = &matrix
	report.Test.Accuracy = float64(report.Test.Correct) / float64(report.Test.Count)
	report.Test.Low, report.Test.High = Wilson(report.Test.Correct, report.Test.Count)
	return t
}

// write exports the model, has it classify the golden pictures, and puts everything in its place.
func (r *Retrainer) write(ctx context.Context, p Params, d *divided, report *Report, fitted *Fitted, t float64, w *trained.Writer) error {
	head := fitted.Head.cooled(t)
	graph, err := r.Engine.Export(ctx, head, p.FinalTensorName)
	if err != nil {
		return fmt.Errorf("making the model's graph: %w", err)
	}
	report.GraphSHA256 = trained.DigestBytes(graph)
	labels := trained.Labels(d.Labels)
	if err := w.File(trained.GraphFile, graph); err != nil {
		return err
	}
	if err := w.File(trained.LabelsFile, labels); err != nil {
		return err
	}
	parameters, err := parameters(p)
	if err != nil {
		return err
	}
	base := r.Engine.Base()
	m := trained.Model{
		Format: trained.Format, Kaika: r.Version, Created: r.Now().UTC().Truncate(time.Second), Labels: d.Labels,
		Graph: trained.Graph{
			File: trained.GraphFile, SHA256: report.GraphSHA256, Contents: "DecodeJpeg/contents:0", Output: p.FinalTensorName + ":0",
		},
		BaseModel:  base,
		Dataset:    trained.Dataset{SHA256: d.Digest(), Photos: len(d.Photos), Labels: d.counts()},
		Parameters: parameters,
		Split: trained.Split{
			TestingPercentage: p.TestingPercentage, ValidationPercentage: p.ValidationPercentage,
			Train: report.Photos.Train, Validation: report.Photos.Validation, Test: report.Photos.Test,
		},
		Metrics:      metrics(report),
		Temperature:  t,
		UnknownBelow: unknownBelow(Rows(fitted.ValidationLogits, len(d.Labels)), t),
		Preprocessing: fmt.Sprintf("The photo is turned upright by its EXIF orientation (by the program, not by the graph); its centre square is resized to %d x %d pixels, "+
			"bilinear with antialiasing; a pixel x of 0..255 enters the network as (x - %g) / %g.", base.InputSize, base.InputSize, base.Mean, base.Scale),
	}
	if m.GoldenScores, err = r.golden(ctx, m.Graph, w.Path(trained.GraphFile)); err != nil {
		return err
	}
	var saved []byte
	if p.SavedModelDir != "" {
		if saved, err = r.Engine.ExportSavedModel(ctx, head); err != nil {
			return fmt.Errorf("making the SavedModel: %w", err)
		}
	}
	if err := w.Commit(m); err != nil {
		return err
	}
	if report.Model, err = filepath.Abs(p.OutputDir); err != nil {
		report.Model = p.OutputDir
	}
	for _, also := range []struct {
		path string
		data []byte
	}{
		{p.OutputGraph, graph},
		{p.OutputLabels, labels},
		{inFolder(p.SavedModelDir, "saved_model.pb"), saved},
		{inFolder(p.SavedModelDir, filepath.Join("assets.extra", "labels.txt")), labels},
	} {
		if also.path == "" {
			continue
		}
		if err := trained.WriteFile(also.path, also.data); err != nil {
			return fmt.Errorf("the model is in %s, but a copy failed: %w", p.OutputDir, err)
		}
	}
	return nil
}

func inFolder(dir, name string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// golden measures the scores of the golden pictures.
func (r *Retrainer) golden(ctx context.Context, graph trained.Graph, path string) ([]trained.GoldenScore, error) {
	pictures, digests, err := trained.Golden()
	if err != nil {
		return nil, err
	}
	vectors, err := r.Engine.Classify(ctx, graph, path, r.Engine.Base().Precision, pictures)
	if err != nil {
		return nil, fmt.Errorf("trying out the model: %w", err)
	}
	scores := make([]trained.GoldenScore, len(vectors))
	for i, v := range vectors {
		if v.Err != nil {
			return nil, fmt.Errorf("trying out the model: golden picture %d %w", i+1, v.Err)
		}
		scores[i] = trained.GoldenScore{Picture: digests[i], Scores: v.Values}
	}
	return scores, nil
}

func metrics(r *Report) trained.Metrics {
	m := trained.Metrics{Steps: r.Steps, TrainAccuracy: r.Train.Accuracy, TrainCrossEntropy: r.Train.CrossEntropy}
	if r.Validation != nil {
		m.ValidationAccuracy, m.ValidationCrossEntropy = &r.Validation.Accuracy, &r.Validation.CrossEntropy
	}
	if r.Test != nil {
		m.TestAccuracy, m.TestCount = &r.Test.Accuracy, r.Test.Count
	}
	return m
}

// parameters gives the parameters by their names.
func parameters(p Params) (map[string]any, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("writing the parameters: %w", err)
	}
	named := map[string]any{}
	if err := json.Unmarshal(data, &named); err != nil {
		return nil, fmt.Errorf("writing the parameters: %w", err)
	}
	return named, nil
}

// summaries are the event files that TensorBoard reads, one for each curve's split; nil writes none.
type summaries struct {
	train, validation *eventfile.Writer
}

func (r *Retrainer) openSummaries(dir string) (*summaries, error) {
	if dir == "" {
		return nil, nil //nolint:nilnil // no summaries are asked for, and nil writes none.
	}
	train, err := eventfile.Create(filepath.Join(dir, "train"), r.Now(), r.Host)
	if err != nil {
		return nil, fmt.Errorf("writing the summaries: %w", err)
	}
	validation, err := eventfile.Create(filepath.Join(dir, "validation"), r.Now(), r.Host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing the summaries: %w", err), train.Close())
	}
	return &summaries{train, validation}, nil
}

// add writes a point, by the names that retrain.py gives its summaries.
func (s *summaries) add(p Point, at time.Time) error {
	if s == nil {
		return nil
	}
	const accuracy, crossEntropy = "accuracy_1", "cross_entropy_1"
	err := s.train.Scalars(int64(p.Step), at,
		eventfile.Scalar{Tag: accuracy, Value: p.TrainAccuracy}, eventfile.Scalar{Tag: crossEntropy, Value: p.TrainCrossEntropy})
	if p.ValidationAccuracy != nil {
		err = errors.Join(err, s.validation.Scalars(int64(p.Step), at,
			eventfile.Scalar{Tag: accuracy, Value: *p.ValidationAccuracy}, eventfile.Scalar{Tag: crossEntropy, Value: *p.ValidationCrossEntropy}))
	}
	// So that TensorBoard shows the curves while they grow.
	if err := errors.Join(err, s.train.Flush(), s.validation.Flush()); err != nil {
		return fmt.Errorf("writing the summaries: %w", err)
	}
	return nil
}

func (s *summaries) close() error {
	if s == nil {
		return nil
	}
	if err := errors.Join(s.train.Close(), s.validation.Close()); err != nil {
		return fmt.Errorf("writing the summaries: %w", err)
	}
	return nil
}
