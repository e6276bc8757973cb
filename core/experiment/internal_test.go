package experiment

import "testing"

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format": 1, "id": "x", "report": {"confusion_matrix": {"labels": ["a"], "counts": [[1]]}}}`))
	f.Add([]byte(`{"format": 1, "report": {"confusion_matrix": {"labels": ["a", "b"], "counts": [[1], []]}}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		if m := r.Report.ConfusionMatrix; m != nil { // Nothing must panic.
			for i := range m.Labels {
				for k := range m.Labels {
					_ = m.Counts[i][k]
				}
			}
		}
		Compare([]Run{r, r})
	})
}

func FuzzReadPoints(f *testing.F) {
	f.Add([]byte("{\"step\": 1, \"train_accuracy\": 0.5}\n\n{\"step\": 2, \"validation_accuracy\": 1, \"validation_cross_entropy\": 0}\n{"))
	f.Add([]byte("null\n[]\n{\"step\": -1}\r\n{\"validation_accuracy\": 1}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		points, bad := readPoints(data)
		if bad < 0 || len(points)+bad > len(data) {
			t.Fatalf("%d points and %d damaged lines in %d bytes", len(points), bad, len(data))
		}
		for _, p := range points {
			if p.Step < 0 || (p.ValidationAccuracy == nil) != (p.ValidationCrossEntropy == nil) {
				t.Fatalf("%+v", p)
			}
		}
	})
}
