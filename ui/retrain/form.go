package retrain

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/widgets"
)

// form is the settings' widgets.
type form struct {
	v       *view
	scroll  *container.Scroll
	content *fyne.Container // What it scrolls.

	dataset *widgets.Text
	few     *fyne.Container
	fewText *warning

	bases     *widgets.Select
	goodFor   *widgets.Text
	baseState *widgets.Text
	fetch     *widgets.Button

	presets *widgets.RadioGroup
	entries map[string]*entryField
	selects map[string]*widgets.Select
	flip    *widgets.Check
	both    *warning        // What is wrong with the percentages together.
	more    *widgets.Button // Folds the rest out and in.
	rest    *fyne.Container // Of the settings.
	reset   *widgets.Button

	showing bool // Widgets are being set: what they call back is not the user.
}

// entryField is a setting that is typed.
type entryField struct {
	number number
	entry  *widgets.Entry
	hint   *widgets.Text
	row    *fyne.Container
}

func newForm(v *view) *form {
	f := &form{v: v, entries: map[string]*entryField{}, selects: map[string]*widgets.Select{}}
	tx := v.tx
	f.dataset = widgets.NewText("")
	f.fewText = newWarning()
	more := widgets.NewButton(tx.T("retrain.collect"), theme.DownloadIcon(), v.params.Collect)
	f.few = container.NewVBox(f.fewText.box, row(more))
	more.Gained = f.reveal(f.dataset, f.few)

	f.bases = widgets.NewSelect(nil, f.baseChosen)
	f.bases.Gained = f.reveal(f.dataset, f.bases)
	f.bases.PlaceHolder = tx.T("retrain.bases.loading")
	f.goodFor, f.baseState = caption(""), caption("")
	f.fetch = widgets.NewButton("", theme.DownloadIcon(), v.p.fetchBase)
	f.fetch.Gained = f.reveal(f.bases, f.fetch)

	f.presets = widgets.NewRadioGroup(nil, f.presetChosen)

	f.flip = widgets.NewCheck(tx.T("retrain.field.flip_left_right"), func(on bool) {
		if !f.showing {
			v.p.setFlip(on)
		}
	})
	f.both = newWarning()
	f.reset = widgets.NewButton(tx.T("retrain.reset"), theme.ViewRefreshIcon(), v.p.reset)
	f.reset.Gained = f.reveal(f.reset, f.reset)

	f.rest = container.NewVBox(
		heading(tx.T("retrain.group.views")), f.flip,
		f.entry("random_crop"), f.entry("random_scale"), f.entry("random_brightness"), f.entry("random_rotation"), f.entry("augmented_views"),
		heading(tx.T("retrain.group.fit")),
		f.entry("learning_rate"), f.choice("optimizer"), f.entry("l2"), f.choice("class_weighting"), f.entry("early_stopping"), f.entry("seed"),
		heading(tx.T("retrain.group.photos")),
		f.entry("testing_percentage"), f.entry("validation_percentage"), f.both.box,
		f.entry("train_batch_size"), f.entry("validation_batch_size"), f.entry("test_batch_size"), f.entry("eval_step_interval"),
		heading(tx.T("retrain.group.base")), f.entry("input_size"), f.choice("precision"),
	)
	f.rest.Hide()
	f.more = widgets.NewButton(tx.T("retrain.more"), theme.MenuDropDownIcon(), f.foldOut)
	f.presets.Gained = f.reveal(f.presets, f.presets)
	f.more.Gained = f.reveal(f.more, f.more)
	f.flip.Gained = f.reveal(f.more, f.flip)
	f.more.Importance, f.more.Alignment = widget.LowImportance, widget.ButtonAlignLeading
	f.content = container.NewVBox(
		f.dataset, f.few,
		heading(tx.T("retrain.base")), f.bases, container.New(snug{}, f.goodFor, f.baseState), f.fetch,
		f.entry("how_many_training_steps"),
		container.New(snug{}, heading(tx.T("retrain.augmentation")), caption(tx.T("retrain.augmentation.hint"))), f.presets,
		f.more, f.rest,
		row(f.reset),
	)
	f.scroll = container.NewVScroll(f.content)
	return f
}

// reveal gives what brings a part of the form into sight.
func (f *form) reveal(first, last fyne.CanvasObject) func() {
	return func() { widgets.Reveal(f.scroll, first, last) }
}

// foldOut shows the settings that a beginner does not need, or hides them again.
func (f *form) foldOut() {
	if f.rest.Visible() {
		f.rest.Hide()
		f.more.SetIcon(theme.MenuDropDownIcon())
		f.content.Refresh()
		return
	}
	f.rest.Show()
	f.more.SetIcon(theme.MenuDropUpIcon())
	f.content.Resize(fyne.NewSize(f.scroll.Size().Width, f.content.MinSize().Height)) // As the next drawing does, which is too late.
	f.scroll.ScrollToOffset(f.more.Position())
}

// entry makes the row of a setting that is typed: its name, the entry, and a line of what it does or what is wrong.
func (f *form) entry(key string) fyne.CanvasObject {
	i := slices.IndexFunc(numbers, func(n number) bool { return n.key == key })
	e := &entryField{number: numbers[i], hint: caption("")}
	e.entry = widgets.NewEntry()
	e.entry.SetText(f.v.p.text(e.number))
	e.entry.OnChanged = func(text string) {
		if !f.showing {
			f.v.p.setNumber(key, text)
		}
	}
	label := widgets.NewText(f.v.tx.T("retrain.field." + key))
	e.row = container.New(snug{}, container.NewBorder(nil, nil, nil, fixed(e.entry, 96), label), e.hint)
	e.entry.Gained = f.reveal(e.row, e.row)
	f.entries[key] = e
	return e.row
}

// choice makes the row of a setting that is one of a few words.
func (f *form) choice(key string) fyne.CanvasObject {
	i := slices.IndexFunc(choices, func(c choice) bool { return c.key == key })
	options := choices[i].options
	texts := make([]string, len(options))
	for k, o := range options {
		texts[k] = f.v.tx.T("retrain.option." + o)
	}
	name := container.New(snug{}, widget.NewLabel(f.v.tx.T("retrain.field."+key)), caption(f.v.tx.T("retrain.hint."+key)))
	s := widgets.NewSelect(texts, nil)
	s.Gained = f.reveal(name, s)
	s.OnChanged = func(string) {
		if at := s.SelectedIndex(); at >= 0 && !f.showing {
			f.v.p.setChoice(key, options[at])
		}
	}
	f.selects[key] = s
	return container.NewVBox(name, s)
}

func (f *form) baseChosen(string) {
	if at := f.bases.SelectedIndex(); at >= 0 && !f.showing {
		f.v.p.setBase(f.v.p.bases[at].Name)
	}
}

func (f *form) presetChosen(text string) {
	if f.showing {
		return
	}
	for _, name := range []preset{presetNone, presetFlip, presetLight} {
		if text == f.v.tx.T("retrain.preset."+string(name)) {
			f.v.p.setPreset(name)
		}
	}
}

// showDataset shows what there is to train with.
func (f *form) showDataset() {
	defer f.content.Refresh()
	p, tx := f.v.p, f.v.tx
	text := ""
	if p.library != nil {
		photos, labels := 0, 0
		for _, l := range p.library.Labels() {
			if l.Photos > 0 {
				photos, labels = photos+l.Photos, labels+1
			}
		}
		text = tx.T("retrain.dataset", "Photos", tx.N("retrain.photos", photos), "Labels", tx.N("retrain.labels", labels))
	}
	setText(f.dataset, text)
	if p.fitness != fewPhotos {
		f.few.Hide()
		return
	}
	least := p.few[0]
	f.fewText.set(tx.N("retrain.few", len(p.few), "Label", least.Name, "Photos", tx.Number(least.Photos), "Fewest", tx.Number(fewest)))
	f.few.Show()
}

// showBases shows the base models.
func (f *form) showBases() {
	f.showing = true
	defer func() { f.showing = false; f.content.Refresh() }()
	p, tx := f.v.p, f.v.tx
	titles := make([]string, len(p.bases))
	for i, b := range p.bases {
		titles[i] = f.v.baseTitle(b.Name)
		if !b.Installed {
			titles[i] = tx.T("retrain.base.away", "Title", titles[i])
		}
	}
	f.bases.SetOptions(titles)
	base, known := p.base()
	if !known {
		f.bases.ClearSelected()
		if p.basesLoaded {
			f.bases.PlaceHolder = tx.T("retrain.bases.none")
		}
		setText(f.goodFor, "")
		setText(f.baseState, "")
		f.fetch.Hide()
		f.bases.Refresh()
		return
	}
	f.bases.SetSelectedIndex(slices.IndexFunc(p.bases, func(b Base) bool { return b.Name == base.Name }))
	setText(f.goodFor, f.goodForWords(base))
	f.fetch.SetText(tx.T("retrain.base.fetch"))
	switch {
	case base.Problem != "":
		setText(f.baseState, tx.T("retrain.base.damaged"))
		f.fetch.Show()
	case base.Installed:
		setText(f.baseState, tx.T("retrain.base.installed"))
		f.fetch.Hide()
	default:
		setText(f.baseState, tx.T("retrain.base.missing"))
		f.fetch.Show()
	}
	if base.AnySize {
		f.entries["input_size"].row.Show()
	} else {
		f.entries["input_size"].row.Hide()
	}
}

// described are the base models whose line of what they are good for is in the texts; those that a user added have only
// their own.
var described = []string{
	"efficientnet_lite0", "efficientnet_lite2", "efficientnet_lite0_lite2", "inception_v3",
	"mobilenet_1.0", "mobilenet_0.75", "mobilenet_0.50", "mobilenet_0.25",
}

func (f *form) goodForWords(b Base) string {
	name := b.Name
	if size := mobileNetSize.FindStringIndex(name); size != nil {
		name = name[:size[0]]
	}
	if slices.Contains(described, name) {
		return f.v.tx.T("retrain.good_for." + name)
	}
	return b.GoodFor
}

// showSettings shows the settings, and what is wrong with what was typed.
func (f *form) showSettings() {
	f.showing = true
	defer func() { f.showing = false; f.content.Refresh() }()
	p, tx := f.v.p, f.v.tx
	for key, e := range f.entries {
		problem, wrong := p.wrong[key]
		if wrong {
			e.hint.Importance = widget.DangerImportance
			e.hint.Text = f.v.words(problem)
			e.hint.Refresh() // Its colour, too.
			continue         // What was typed stays, to be corrected.
		}
		e.hint.Importance = widget.MediumImportance
		e.hint.Text = tx.T("retrain.hint." + key)
		e.hint.Refresh()
		// What says the same stays as it was typed: "0.10" on the way to "0.105".
		copied := p.settings
		if _, ok := e.number.set(&copied, e.entry.Text); !ok || e.number.text(&copied) != e.number.text(&p.settings) {
			e.entry.SetText(e.number.text(&p.settings))
		}
	}
	for _, c := range choices {
		f.selects[c.key].SetSelectedIndex(slices.Index(c.options, *c.of(&p.settings)))
	}
	f.flip.SetChecked(p.settings.Params.Augmentation.Flip)
	f.both.set(f.v.words(p.wrong[percentages]))

	chosen := presetOf(p.settings.Params.Augmentation)
	names := []preset{presetNone, presetFlip, presetLight}
	if chosen == presetCustom {
		names = append(names, presetCustom)
	}
	options := make([]string, len(names))
	for i, name := range names {
		options[i] = tx.T("retrain.preset." + string(name))
	}
	f.presets.Options = options
	f.presets.Selected = tx.T("retrain.preset." + string(chosen))
	f.presets.Refresh()
}

// enable lets the settings be changed or not.
func (f *form) enable(on bool) {
	all := []fyne.Disableable{f.bases, f.fetch, f.presets, f.flip, f.reset}
	for _, e := range f.entries {
		all = append(all, e.entry)
	}
	for _, s := range f.selects {
		all = append(all, s)
	}
	for _, d := range all {
		if on {
			d.Enable()
		} else {
			d.Disable()
		}
	}
}
