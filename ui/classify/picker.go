package classify

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// An option is something to choose in a picker.
type option struct {
	text, detail string
	do           func()
}

// A picker lets one of many options be chosen, by mouse or keyboard: what is typed narrows them down.
type picker struct {
	title, hint string
	options     []option
	create      func(text string) (option, bool) // An option for a text that is none yet; may be nil.
	actions     []widgets.Action                 // Other ways on, beside Cancel.
}

// show opens the picker over a window.
func (p *picker) show(v *view) {
	matches := p.options
	selected := 0
	var d *widgets.Dialog
	choose := func(i int) {
		if i >= 0 && i < len(matches) {
			d.Close()
			matches[i].do()
		}
	}
	list := widgets.NewList(
		func() int { return len(matches) },
		func() fyne.CanvasObject {
			text := widget.NewLabel("")
			text.Truncation = fyne.TextTruncateEllipsis
			ground := canvas.NewRectangle(theme.Color(theme.ColorNameSelection))
			ground.CornerRadius = theme.Size(theme.SizeNameSelectionRadius)
			return container.NewStack(ground, container.NewBorder(nil, nil, nil, newCaption(), text))
		},
		func(i widget.ListItemID, o fyne.CanvasObject) {
			stack, isStack := o.(*fyne.Container)
			if !isStack || i >= len(matches) {
				return
			}
			row, isRow := stack.Objects[1].(*fyne.Container)
			if !isRow {
				return
			}
			stack.Objects[0].(*canvas.Rectangle).Hidden = i != selected //nolint:forcetypeassert,errcheck // It was made above.
			if text, ok := row.Objects[0].(*widget.Label); ok {
				text.SetText(matches[i].text)
			}
			if detail, ok := row.Objects[1].(*widget.RichText); ok {
				setCaption(detail, matches[i].detail)
			}
			stack.Refresh()
			row.Refresh() // The detail takes the room that it needs.
		})
	list.HideSeparators = true
	list.OnSelected = choose
	entry := &pickerEntry{onMove: func(by int) {
		selected = min(max(selected+by, 0), max(0, len(matches)-1))
		list.ScrollTo(selected)
		list.Refresh()
	}}
	entry.ExtendBaseWidget(entry)
	entry.SetPlaceHolder(p.hint)
	entry.OnChanged = func(text string) {
		matches, selected = p.matching(text), 0
		list.ScrollToOffset(0)
		list.Refresh()
	}
	entry.OnSubmitted = func(string) { choose(selected) }
	d = widgets.NewDialog(v.Window, p.title, v.tx.T("kit.cancel"), container.NewBorder(entry, nil, nil, nil, list), p.width(), 440)
	for _, a := range p.actions {
		d.Add(a.Text, a.Icon, a.Do)
	}
	d.SetOnClosed(v.focus)
	d.Open(entry)
}

// Widths of a picker, and how many of its options decide on it.
const (
	leastWidth, mostWidth float32 = 460, 680
	measured                      = 50
)

// width gives the width that the options take.
func (p *picker) width() float32 {
	width := leastWidth
	for _, o := range p.options[:min(len(p.options), measured)] {
		text := fyne.MeasureText(o.text, theme.TextSize(), fyne.TextStyle{})
		detail := fyne.MeasureText(o.detail, theme.CaptionTextSize(), fyne.TextStyle{})
		width = max(width, text.Width+detail.Width+10*theme.InnerPadding())
	}
	return min(width, mostWidth)
}

// matching gives the options that a text is part of, those that begin with it first, and the one that it makes.
func (p *picker) matching(text string) []option {
	text = strings.TrimSpace(text)
	wanted := strings.ToLower(text)
	var first, others []option
	exact := false
	for _, o := range p.options {
		name := strings.ToLower(o.text)
		switch {
		case strings.HasPrefix(name, wanted):
			first = append(first, o)
		case strings.Contains(name, wanted):
			others = append(others, o)
		}
		exact = exact || o.text == text
	}
	found := slices.Concat(first, others)
	if p.create != nil && text != "" && !exact {
		if o, ok := p.create(text); ok {
			found = append(found, o)
		}
	}
	return found
}

// pickerEntry is an entry whose arrow keys move through the options below it.
type pickerEntry struct {
	widgets.Entry

	onMove func(by int)
}

// TypedKey implements fyne.Focusable.
func (e *pickerEntry) TypedKey(key *fyne.KeyEvent) {
	switch key.Name {
	case fyne.KeyDown:
		e.onMove(1)
	case fyne.KeyUp:
		e.onMove(-1)
	case fyne.KeyPageDown:
		e.onMove(8)
	case fyne.KeyPageUp:
		e.onMove(-8)
	case fyne.KeyEscape:
		widgets.HandOn(e, key)
	default:
		e.Entry.TypedKey(key)
	}
}
