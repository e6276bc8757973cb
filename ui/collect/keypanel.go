package collect

import (
	"net/url"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/core/secret"
	"kaika/ui/i18n"
	"kaika/ui/widgets"
)

// keyPage is where Flickr gives out keys.
const keyPage = "https://www.flickr.com/services/apps/create/"

// KeyParams are what the panel needs.
type KeyParams struct {
	Window   fyne.Window
	Texts    func() *i18n.Texts // The texts in the language of the moment; asked at each Content.
	Keys     Keys
	Services []Service            // As in Params: those that need no key are named.
	Dispatch func(func())         // Runs a function on the window's goroutine, later; fyne.Do does.
	OpenURL  func(*url.URL) error // Has the system show a page of the web; from any goroutine.
	Changed  func()               // A key was kept or removed.
}

// KeyPanel is where the key of Flickr is entered, and removed. What is kept is never shown in full again. Its methods are
// for the window's goroutine.
type KeyPanel struct {
	KeyParams

	k       *keyPresenter
	pages   *pages
	tx      *i18n.Texts
	content *fyne.Container

	outside     *widgets.Text // Tells of a key that is used in place of the one that is kept.
	state       *widgets.Text
	place       *widgets.Text
	entry       *widget.Form
	key, secret *widgets.Entry
	keep        *widgets.Button
	remove      *widgets.Button
}

// NewKeyPanel makes the panel. It asks the keyring nothing yet.
func NewKeyPanel(p KeyParams) *KeyPanel {
	k := &KeyPanel{KeyParams: p, k: newKeyPresenter(p.Keys, p.Dispatch), pages: &pages{window: p.Window, dispatch: p.Dispatch, show: p.OpenURL}}
	k.k.changed, k.k.kept = k.refresh, p.Changed
	k.k.failed = func(sentence string, err error) {
		widgets.ShowError(k.Window, k.tx, k.tx.T("collect.key.error."+sentence), err)
	}
	return k
}

// Content gives the panel's widgets, in the language of the moment.
func (k *KeyPanel) Content() fyne.CanvasObject {
	k.tx = k.Texts()
	tx := k.tx
	free := []string{tx.T("collect.local")}
	for _, s := range k.Services {
		if s.FindKey == nil {
			free = append(free, s.Name)
		}
	}
	k.outside, k.state, k.place = widgets.NewText(""), widgets.NewText(""), widgets.NewText("")
	k.outside.TextStyle.Bold, k.state.TextStyle.Bold = true, true
	k.outside.Hide()
	for _, s := range k.Services {
		if s.KeyFrom != "" {
			k.outside.SetText(tx.T("collect.key.outside", "Service", s.Name, "Variable", s.KeyFrom))
			k.outside.Show()
		}
	}
	key, hidden := widgets.NewEntry(), widgets.NewEntry()
	key.Password, hidden.Password = true, true
	if k.key != nil { // What is half typed stays, in another language and until the settings are opened again.
		key.Text, hidden.Text = k.key.Text, k.secret.Text
	}
	k.key, k.secret = key, hidden
	changed := func(string) { k.refreshButtons() }
	k.key.OnChanged, k.secret.OnChanged = changed, changed
	k.key.OnSubmitted = func(string) { k.submitted(k.secret) }
	k.secret.OnSubmitted = func(string) { k.submitted(k.key) }
	k.entry = widget.NewForm(widget.NewFormItem(tx.T("collect.key.key"), k.key), widget.NewFormItem(tx.T("collect.key.secret"), k.secret))
	k.keep = widgets.NewButton(tx.T("collect.key.keep"), theme.DocumentSaveIcon(), func() {
		k.k.keep(k.key.Text, k.secret.Text, func() {
			k.key.SetText("") // What was kept is shown no more.
			k.secret.SetText("")
		})
	})
	k.remove = widgets.NewButton(tx.T("collect.key.remove"), theme.DeleteIcon(), func() {
		widgets.ConfirmDanger(k.Window, tx, tx.T("collect.key.remove.title"), tx.T("collect.key.remove.text"), tx.T("collect.key.remove"), k.k.remove)
	})
	content := container.NewVBox(widgets.NewText(tx.T("collect.key.how")))
	k.content = content
	if page, ok := webPage(keyPage); ok {
		content.Add(container.NewHBox(link(tx.T("collect.key.page"), page, func(page *url.URL) { k.pages.open(k.k.ctx, k.tx, page) })))
	}
	content.Add(widgets.NewText(tx.T("collect.key.free", "Sources", strings.Join(free, tx.T("collect.comma")))))
	content.Add(k.outside)
	content.Add(k.state)
	content.Add(k.entry)
	content.Add(k.place)
	content.Add(container.NewHBox(layout.NewSpacer(), k.remove, k.keep))
	k.refresh()
	return content
}

// submitted takes Enter in one of the two entries: it keeps what they hold, or goes to the other, which is empty.
func (k *KeyPanel) submitted(other *widgets.Entry) {
	if k.keep.Disabled() {
		k.Window.Canvas().Focus(other)
		return
	}
	k.keep.OnTapped()
}

// Shown has to be called when the panel comes to be seen: the first time it asks the keyring.
func (k *KeyPanel) Shown() { k.k.shown() }

// Close stops what the panel does, and waits for it.
func (k *KeyPanel) Close() {
	k.k.close()
	k.pages.wait()
}

// refresh shows the presenter's state.
func (k *KeyPanel) refresh() {
	if k.tx == nil {
		return
	}
	switch {
	case k.k.busy:
		k.state.SetText(k.tx.T("collect.key.busy"))
	case k.k.mask != "":
		k.state.SetText(k.tx.T("collect.key.kept", "Mask", k.k.mask))
	default:
		k.state.SetText(k.tx.T("collect.key.none"))
	}
	show(k.state, k.k.busy || k.k.mask != "" || !k.outside.Visible())
	text := ""
	switch k.k.place {
	case secret.Keyring:
		text = k.tx.T("collect.key.keyring")
	case secret.File:
		text = k.tx.T("collect.key.file", "File", k.Keys.File())
	}
	show(k.place, text != "")
	k.place.SetText(text)
	show(k.remove, k.k.mask != "")
	k.refreshButtons()
	k.content.Refresh() // Texts are higher or lower now.
	k.content.Refresh() // A wrapped text knows its height only when it knows its width.
}

func (k *KeyPanel) refreshButtons() {
	enable(k.keep, !k.k.busy && strings.TrimSpace(k.key.Text) != "" && strings.TrimSpace(k.secret.Text) != "")
	enable(k.remove, !k.k.busy)
}
