package collect

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	source "kaika/core/collect"
	"kaika/ui/widgets"
)

// filterDialog is where the rarer choices of a service are made. They hold as soon as they are made.
type filterDialog struct {
	*widgets.Dialog

	exclude, excludeTags       *widgets.Entry
	sort, origin               *widgets.Select
	tagsOnly, drawings, unsafe *widgets.Check
}

// showFilters shows the choices that the service has.
func (v *view) showFilters() *filterDialog {
	tx, p, has := v.tx, v.p, v.p.service.Filters
	d := &filterDialog{}
	form := widget.NewForm()
	entry := func(name, text string, set func(*filters, string)) *widgets.Entry {
		e := widgets.NewEntry()
		e.SetText(text)
		e.SetPlaceHolder(tx.T("collect.filter." + name + ".hint"))
		e.OnChanged = func(text string) { p.setFilters(func(f *filters) { set(f, text) }) }
		form.Append(tx.T("collect.filter."+name), e)
		return e
	}
	choice := func(name string, options []string, selected int, set func(*filters, int)) *widgets.Select {
		s := widgets.NewSelect(options, nil)
		s.SetSelectedIndex(max(selected, 0))
		s.OnChanged = func(string) { p.setFilters(func(f *filters) { set(f, s.SelectedIndex()) }) }
		form.Append(tx.T("collect.filter."+name), s)
		return s
	}
	checks := container.NewVBox()
	check := func(name string, on bool, set func(*filters, bool)) *widgets.Check {
		c := widgets.NewCheck(tx.T("collect.filter."+name), nil)
		c.SetChecked(on)
		c.OnChanged = func(on bool) { p.setFilters(func(f *filters) { set(f, on) }) }
		checks.Add(c)
		return c
	}
	d.exclude = entry("words", p.filters.exclude, func(f *filters, text string) { f.exclude = text })
	if has.Tags {
		d.excludeTags = entry("tags", p.filters.excludeTags, func(f *filters, text string) { f.excludeTags = text })
		d.tagsOnly = check("tagsonly", p.filters.tagsOnly, func(f *filters, on bool) { f.tagsOnly = on })
	}
	if len(has.Sorts) > 0 {
		var names []string
		for _, s := range has.Sorts {
			names = append(names, tx.T("collect.sort."+string(s)))
		}
		d.sort = choice("sort", names, slices.Index(has.Sorts, p.filters.sort), func(f *filters, i int) { f.sort = has.Sorts[i] })
	}
	if len(has.Origins) > 0 {
		origins := append([]source.Origin{{Name: tx.T("collect.filter.everywhere")}}, has.Origins...)
		var names []string
		for _, o := range origins {
			names = append(names, o.Name)
		}
		at := slices.IndexFunc(origins, func(o source.Origin) bool { return o.ID == p.filters.origin })
		d.origin = choice("origin", names, at, func(f *filters, i int) { f.origin = origins[i].ID })
	}
	if has.Drawings {
		d.drawings = check("drawings", p.filters.drawings, func(f *filters, on bool) { f.drawings = on })
	}
	if has.Unsafe {
		d.unsafe = check("unsafe", p.filters.unsafe, func(f *filters, on bool) { f.unsafe = on })
	}
	d.Dialog = widgets.NewDialog(v.Window, tx.T("collect.filter.title", "Service", p.service.Name), tx.T("kit.close"), container.NewVBox(form, checks), 560, 0)
	d.Open(d.exclude)
	return d
}

// filterButton leads to the choices, and says how many are made.
func (v *view) filterButton() fyne.CanvasObject {
	v.filters = widgets.NewButton("", nil, func() { v.showFilters() })
	v.filters.Importance, v.filters.Alignment = widget.LowImportance, widget.ButtonAlignLeading
	v.pick = append(v.pick, v.filters)
	return v.filters
}
