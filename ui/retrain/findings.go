package retrain

import (
	"cmp"
	"math"
	"slices"

	"kaika/core/curate"
	"kaika/core/experiment"
	"kaika/core/train"
)

// fitness tells whether a dataset can be trained with.
type fitness int

const (
	fit       fitness = iota
	noDataset         // None is open.
	noLabels          // No label folder holds a photo.
	oneLabel          // Only one does.
	fewPhotos         // It can be trained with, but some labels cannot be tested.
)

// fewest is how many photos a label needs to be tested, too, as package dataset divides them.
const fewest = 5

// assess judges a dataset by the counts of its labels. For fewPhotos it gives the labels that have too few.
func assess(labels []curate.LabelCount) (f fitness, few []curate.LabelCount) {
	used := 0
	for _, l := range labels {
		if l.Photos == 0 {
			continue
		}
		used++
		if l.Photos < fewest {
			few = append(few, l)
		}
	}
	switch {
	case used == 0:
		return noLabels, nil
	case used == 1:
		return oneLabel, nil
	case len(few) > 0:
		return fewPhotos, few
	}
	return fit, nil
}

// findings are sentences that a user should read about a result. They say by the report's numbers what the notes of
// package train say in English.
func findings(r experiment.Run) []message {
	var found []message
	report := r.Report
	if report.Steps < r.Params.Steps {
		if report.StoppedEarly && r.Params.EarlyStopping > 0 {
			found = append(found, say("retrain.finding.early", "Step", report.Steps))
		} else {
			found = append(found, say("retrain.finding.stopped", "Step", report.Steps, "Steps", r.Params.Steps))
		}
	}
	if v := report.Validation; v != nil && overfits(report) {
		found = append(found, say("retrain.finding.overfitting", "Train", share(report.Train.Accuracy), "Validation", share(v.Accuracy)))
	}
	switch t := report.Test; {
	case t == nil && r.Params.TestingPercentage == 0:
		found = append(found, say("retrain.finding.no_testing"))
	case t == nil:
		found = append(found, say("retrain.finding.no_test_photos"))
	case t.Count < 50:
		found = append(found, sayCount("retrain.finding.few_test_photos", t.Count, "Low", share(t.Low), "High", share(t.High)))
	}
	found = append(found, labelFindings(r)...)
	if report.Contradictions > 0 {
		found = append(found, sayCount("retrain.finding.contradictions", report.Contradictions))
	}
	return found
}

// overfits tells whether the training photos are known better than others by more than chance makes, as package train
// judges it: by more than 5 points and two standard errors.
func overfits(r *train.Report) bool {
	v := r.Validation
	if v == nil || r.Photos.Validation < 10 {
		return false
	}
	gap := r.Train.Accuracy - v.Accuracy
	chance := 2 * math.Sqrt(max(v.Accuracy*(1-v.Accuracy), 0.01)/float64(r.Photos.Validation))
	return gap > 0.05 && gap > chance
}

// unbalanced is how many times more photos one label must have than another to be worth a word.
const unbalanced = 5

func labelFindings(r experiment.Run) []message {
	var labels []curate.LabelCount
	for name, n := range r.Labels {
		labels = append(labels, curate.LabelCount{Name: name, Photos: n})
	}
	if len(labels) == 0 {
		return nil
	}
	slices.SortFunc(labels, func(a, b curate.LabelCount) int {
		return cmp.Or(cmp.Compare(a.Photos, b.Photos), cmp.Compare(a.Name, b.Name))
	})
	var found []message
	few := 0
	for few < len(labels) && labels[few].Photos < fewest {
		few++
	}
	least, greatest := labels[0], labels[len(labels)-1]
	if few > 0 {
		found = append(found, sayCount("retrain.finding.untested_labels", few, "Label", least.Name, "Photos", least.Photos, "Fewest", fewest))
	}
	if without := untestable(r); len(without) > 0 {
		found = append(found, sayCount("retrain.finding.untestable", len(without), "Label", without[0]))
	}
	if greatest.Photos >= unbalanced*least.Photos && r.Params.ClassWeighting != train.WeightBalanced {
		found = append(found, say("retrain.finding.unbalanced",
			"Most", greatest.Name, "MostPhotos", greatest.Photos, "Least", least.Name, "LeastPhotos", least.Photos))
	}
	return found
}

// untestable gives the labels that have photos enough, none of which was left to test with.
func untestable(r experiment.Run) []string {
	if r.Report.Test == nil || r.Report.ConfusionMatrix == nil {
		return nil
	}
	var without []string
	for i, row := range r.Report.ConfusionMatrix.Counts {
		tested := 0
		for _, n := range row {
			tested += n
		}
		if name := r.Report.ConfusionMatrix.Labels[i]; tested == 0 && r.Labels[name] >= fewest {
			without = append(without, name)
		}
	}
	return without
}

// pair is a label that was taken for another.
type pair struct {
	label, predicted string
	photos           int
}

// confused gives the labels that were taken for others, the most frequent first.
func confused(c train.Confusion) []pair {
	var pairs []pair
	for i, row := range c.Counts {
		for k, n := range row {
			if i != k && n > 0 {
				pairs = append(pairs, pair{c.Labels[i], c.Labels[k], n})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.photos, a.photos) })
	return pairs
}

// behind gives the files of the test photos of one label that were given another, or the same.
func behind(answers []train.Answer, label, predicted string) []string {
	var files []string
	for _, a := range answers {
		if a.Label == label && a.Predicted == predicted {
			files = append(files, a.File)
		}
	}
	return files
}

// mistakes gives the answers that are wrong, the surest first: most often it is their label that is wrong.
func mistakes(r *train.Report) []train.Answer {
	wrong := slices.Clone(r.Misclassified)
	slices.SortStableFunc(wrong, func(a, b train.Answer) int { return cmp.Compare(b.Score, a.Score) })
	return wrong
}
