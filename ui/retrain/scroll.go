package retrain

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// wheel lies over what scrolls by itself and hands the wheel on to what that lies in. Without it a page that is scrolled
// would stop where such a thing comes under the pointer. Only the wheel stops at it; the pointer goes through.
type wheel struct {
	widget.BaseWidget

	around, aside fyne.Scrollable // Aside takes what goes to the left and right; it may be nil.
}

func newWheel(around, aside fyne.Scrollable) *wheel {
	w := &wheel{around: around, aside: aside}
	w.ExtendBaseWidget(w)
	return w
}

// Scrolled implements fyne.Scrollable.
func (w *wheel) Scrolled(e *fyne.ScrollEvent) {
	if w.aside != nil && e.Scrolled.DX != 0 {
		w.aside.Scrolled(e)
		return
	}
	w.around.Scrolled(e)
}

// MinSize implements fyne.Widget.
func (w *wheel) MinSize() fyne.Size { return fyne.Size{} }

// CreateRenderer implements fyne.Widget.
func (w *wheel) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewWithoutLayout())
}
