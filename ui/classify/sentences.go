package classify

import (
	"errors"

	"kaika/core/classify"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/picture"
	"kaika/core/trained"
	"kaika/ui/clipboard"
	"kaika/ui/widgets"
)

// failureSentence says why a file has no answer.
func (v *view) failureSentence(r *row) string {
	switch r.reason {
	case picture.Empty:
		return v.tx.T("classify.reason.empty")
	case picture.NotAPicture:
		return v.tx.T("classify.reason.not_a_picture")
	case picture.TooLarge:
		return v.tx.T("classify.reason.too_large")
	case picture.TooManyPixels:
		return v.tx.T("classify.reason.too_many_pixels")
	case picture.Truncated:
		return v.tx.T("classify.reason.truncated")
	case picture.Damaged:
		return v.tx.T("classify.reason.damaged")
	case picture.Unsupported:
		return v.tx.T("classify.reason.unsupported")
	case picture.Unreadable:
		return v.tx.T("classify.reason.unreadable")
	default:
		return v.tx.T("classify.reason.other", "Detail", r.failure)
	}
}

// modelSentence says why a model cannot be used, and what to do.
func (v *view) modelSentence(err error, dir string) string {
	var open *classify.OpenError
	switch {
	case errors.Is(err, trained.ErrNoModel):
		return v.tx.T("classify.model.missing", "Folder", displayed(dir))
	case errors.As(err, &open) && open.Fault == classify.Deviates:
		return v.tx.T("classify.model.deviates")
	case errors.As(err, &open) && open.Fault == classify.NoEngine:
		return v.tx.T("classify.model.engine")
	default:
		return v.tx.T("classify.model.damaged", "Folder", displayed(dir))
	}
}

// failed tells of what did not work.
func (v *view) failed(what problem, err error) {
	tx := v.tx
	sentence := ""
	switch what {
	case modelProblem:
		sentence = v.modelSentence(err, v.p.faultDir)
	case modelsProblem:
		sentence = tx.T("classify.error.models")
	case classifyProblem:
		sentence = tx.T("classify.error.classify")
		if errors.Is(err, trained.ErrNoModel) && v.p.model != nil {
			sentence = v.modelSentence(err, v.p.model.Dir)
		}
	case pasteProblem:
		sentence = tx.T("classify.error.paste")
		if errors.Is(err, clipboard.ErrTooLarge) {
			sentence = tx.T("classify.error.paste.large")
		}
	case exportProblem:
		sentence = tx.T("classify.error.export")
	case addProblem, undoProblem:
		sentence = tx.T("classify.error.add")
		switch {
		case errors.Is(err, dataset.ErrLabelName), errors.Is(err, dataset.ErrLabelClash):
			sentence = tx.T("classify.error.label")
		case errors.Is(err, curate.ErrReadOnly):
			sentence = tx.T("classify.error.readonly")
		case what == undoProblem:
			sentence = tx.T("classify.error.undo")
		}
	}
	widgets.ShowError(v.Window, tx, sentence, err)
}

// noticeSentence says what a notice tells.
func (v *view) noticeSentence(n *notice) string {
	tx := v.tx
	switch n.kind {
	case noticeAdded:
		return v.additionSentence(n.addition)
	case noticeUndone:
		return tx.N("classify.undone", n.count)
	case noticeExported:
		return tx.N("classify.exported", n.count, "File", n.name)
	case noticeNoPhotos:
		if n.count > 1 {
			return tx.T("classify.nophotos.several")
		}
		return tx.T("classify.nophotos", "Name", n.name)
	case noticeNothingToPaste:
		return tx.T("classify.nopaste")
	}
	return ""
}

// additionSentence says what became of photos that were put into the dataset.
func (v *view) additionSentence(a *addition) string {
	tx := v.tx
	var sentences []string
	if n := len(a.added); n > 0 {
		sentences = append(sentences, tx.N("classify.added", n, "Label", a.label))
	}
	if n := len(a.moved); n > 0 {
		sentences = append(sentences, tx.N("classify.moved", n, "Label", a.label))
	}
	if a.there > 0 {
		sentences = append(sentences, tx.N("classify.there", a.there, "Label", a.label))
	}
	switch n := len(a.elsewhere); {
	case n == 1 && !a.elsewhere[0].Deleted.IsZero():
		sentences = append(sentences, tx.T("classify.elsewhere.trash"))
	case n == 1:
		sentences = append(sentences, tx.T("classify.elsewhere.one", "Label", a.elsewhere[0].Label))
	case n > 1:
		sentences = append(sentences, tx.N("classify.elsewhere", n))
	}
	if n := len(a.failures); n > 0 {
		sentences = append(sentences, tx.N("classify.added.failed", n))
	}
	return tx.Sentences(sentences...)
}
