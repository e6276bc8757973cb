package review

import (
	"errors"
	"io/fs"

	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/ui/widgets"
)

// step names a step in few words.
func (v *view) step(a curate.Action) string {
	return v.tx.T(stepKeys[a.Kind], "Count", v.tx.Number(a.Count))
}

// Texts by what was done. Each is used by its name here, so that a test finds all of them.
var (
	stepKeys = map[curate.ActionKind]string{
		curate.Moved:        "review.step.moved",
		curate.Deleted:      "review.step.deleted",
		curate.Restored:     "review.step.restored",
		curate.Added:        "review.step.added",
		curate.LabelAdded:   "review.step.label.added",
		curate.LabelRenamed: "review.step.label.renamed",
		curate.LabelRemoved: "review.step.label.removed",
	}
	doneKeys = map[curate.ActionKind]string{
		curate.Moved:        "review.done.moved",
		curate.Deleted:      "review.done.deleted",
		curate.Restored:     "review.done.restored",
		emptied:             "review.done.emptied",
		curate.LabelAdded:   "review.done.label.added",
		curate.LabelRenamed: "review.done.label.renamed",
		curate.LabelRemoved: "review.done.label.removed",
	}
)

// said is the word about what was done.
func (v *view) said(o outcome) string {
	switch {
	case o.undone:
		return v.tx.T("review.done.undone", "Step", v.step(curate.Action{Kind: o.did, Count: o.count}))
	case o.redone:
		return v.tx.T("review.done.redone", "Step", v.step(curate.Action{Kind: o.did, Count: o.count}))
	}
	return v.tx.N(doneKeys[o.did], o.count, "Label", o.label)
}

// fail implements screen.
func (v *view) fail(o outcome) {
	if v.root == nil || errors.Is(o.err, curate.ErrNothing) {
		return
	}
	partial := (*curate.PartialError)(nil)
	var sentence string
	switch {
	case errors.As(o.err, &partial):
		sentence = v.tx.N("review.failed.partial", len(partial.Failures))
	case errors.Is(o.err, curate.ErrReadOnly):
		sentence = v.tx.T("review.failed.readonly")
	case errors.Is(o.err, fs.ErrNotExist): // One photo that is missing would be a part.
		sentence = v.tx.T("review.failed.gone")
	case errors.Is(o.err, dataset.ErrLabelName):
		sentence = v.tx.T("review.failed.name", "Label", o.label)
	case errors.Is(o.err, dataset.ErrLabelClash):
		sentence = v.tx.T("review.failed.clash", "Label", o.label)
	case errors.Is(o.err, curate.ErrLabelInUse):
		sentence = v.tx.T("review.failed.inuse", "Label", o.label)
	default:
		sentence = v.tx.T("review.failed")
	}
	widgets.ShowError(v.Window, v.tx, sentence, o.err)
}
