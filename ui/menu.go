package ui

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/storage"
	fynetheme "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// control is a shortcut with Ctrl, or Command on macOS.
func control(key fyne.KeyName) *desktop.CustomShortcut {
	return &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault}
}

// menu is the window's menu. Its shortcuts work wherever the keyboard's focus lies, also in an entry.
func (f *Frame) menu() *fyne.MainMenu {
	tx := f.tx
	item := func(label string, shortcut fyne.Shortcut, action func()) *fyne.MenuItem {
		return &fyne.MenuItem{Label: label, Shortcut: shortcut, Action: func() {
			// A shortcut reaches the menu also while a dialog waits for its answer.
			if f.window.Canvas().Overlays().Top() == nil {
				action()
			}
		}}
	}
	file := fyne.NewMenu(tx.T("frame.menu.file"),
		item(tx.T("frame.menu.open"), control(fyne.KeyO), f.chooseDataset),
		item(tx.T("frame.menu.new"), control(fyne.KeyN), func() { f.newDataset(func() {}) }),
		item(tx.T("frame.menu.import"), control(fyne.KeyI), func() { f.chooseFolder(f.importPhotos) }),
		item(tx.T("inbox.menu"), nil, f.showInbox),
		item(tx.T("frame.menu.example"), nil, f.fetchExample),
		fyne.NewMenuItemSeparator(),
		item(tx.T("frame.menu.settings"), control(fyne.KeyComma), f.showSettings),
		fyne.NewMenuItemSeparator(),
		&fyne.MenuItem{Label: tx.T("frame.menu.quit"), Shortcut: control(fyne.KeyQ), Action: f.askToClose, IsQuit: true},
	)
	titles := f.titles()
	view := fyne.NewMenu(tx.T("frame.menu.view"))
	for i, name := range f.names {
		view.Items = append(view.Items, item(titles[name], control(fyne.KeyName(strconv.Itoa(i+1))), func() { f.Select(name) }))
	}
	view.Items = append(view.Items, fyne.NewMenuItemSeparator(), item(tx.T("frame.menu.cancel"), control(fyne.KeyPeriod), f.cancelJob))
	help := fyne.NewMenu(tx.T("frame.menu.help"),
		item(tx.T("frame.menu.shortcuts"), control(fyne.KeySlash), f.showHelp),
		item(tx.T("frame.menu.about"), nil, f.showAbout),
	)
	return fyne.NewMainMenu(file, view, help)
}

// cancelJob stops the job that the status line shows.
func (f *Frame) cancelJob() {
	if f.jobs.State().Running {
		f.jobs.Cancel()
		return
	}
	f.answers.Cancel()
}

// showAbout tells what this is.
func (f *Frame) showAbout() {
	widgets.ShowMessage(f.window, f.tx, f.tx.T("frame.menu.about"), strings.Join([]string{
		"Kaika 開花 " + f.p.Version, f.tx.T("frame.about.text"), f.tx.T("frame.about.fonts"),
	}, "\n\n"))
}

// showSettings shows the settings of the window and of the sources of photos.
func (f *Frame) showSettings() {
	tx, preferences := f.tx, f.p.Settings
	languages := append([]string{""}, i18n.Languages()...)
	names := []string{tx.T("frame.settings.system"), "English", "日本語"}
	language := choice(languages, names, preferences.String(prefLanguage), f.useLanguage)
	brightness := choice([]string{string(theme.System), string(theme.Light), string(theme.Dark)},
		[]string{tx.T("frame.settings.system"), tx.T("frame.settings.light"), tx.T("frame.settings.dark")},
		preferences.String(prefBrightness), func(b string) {
			preferences.SetString(prefBrightness, b)
			f.p.App.Settings().SetTheme(theme.New(theme.Brightness(b)))
		})
	look := widget.NewForm(
		widget.NewFormItem(tx.T("frame.settings.language"), language),
		widget.NewFormItem(tx.T("frame.settings.brightness"), brightness),
	)
	content := container.NewVBox(look, widget.NewSeparator(), f.keys.Content())
	f.keys.Shown()
	// Room for the scroll bar beside the entries.
	padded := container.New(layout.NewCustomPaddedLayout(0, 0, 0, 2*fynetheme.Padding()), content)
	widgets.NewDialog(f.window, tx.T("frame.settings.title"), tx.T("kit.close"), container.NewVScroll(padded), 640, 560).Open(language)
}

// choice is a select of values by their names; an unknown value is the first.
func choice(values, names []string, value string, chosen func(value string)) *widgets.Select {
	s := widgets.NewSelect(names, nil)
	s.SetSelectedIndex(0)
	for i, v := range values {
		if v == value {
			s.SetSelectedIndex(i)
		}
	}
	s.OnChanged = func(string) { chosen(values[s.SelectedIndex()]) }
	return s
}

// useLanguage changes the language of the window at once; "" is the system's.
func (f *Frame) useLanguage(code string) {
	f.p.Settings.SetString(prefLanguage, code)
	if code == "" {
		code = i18n.System()
	}
	if err := f.tx.Use(code); err != nil {
		widgets.ShowError(f.window, f.tx, f.tx.T("frame.settings.failed"), err)
		return
	}
	if err := f.tx.Fyne(); err != nil {
		f.p.Log.Warn("Fyne's texts stay in the old language", "error", err)
	}
	widgets.CloseAll(f.window) // The settings themselves are in the old language, and what may be below them.
	f.build()
	f.tabShown()
	f.showSettings()
}

// showInFileManager has the system open a folder.
func (f *Frame) showInFileManager(dir string) error {
	at, err := url.Parse(storage.NewFileURI(dir).String())
	if err != nil {
		return fmt.Errorf("the address of %s: %w", dir, err)
	}
	return f.p.App.OpenURL(at)
}
