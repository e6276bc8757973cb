package collect

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	source "kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/job"
	"kaika/core/picture"
	"kaika/core/secret"
	"kaika/ui/i18n"
	"kaika/ui/theme"
	"kaika/ui/widgets"
)

// TestReasonsHaveTexts wants a text of each reason there is for a refusal; TestTexts looks for the texts of those listed.
func TestReasonsHaveTexts(t *testing.T) {
	found := 0
	for _, dir := range []string{"picture", "collect"} {
		packages, err := filepath.Glob(filepath.Join("..", "..", "core", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range packages {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || !isReason(spec.Type) {
					return true
				}
				for i, value := range spec.Values {
					literal, ok := value.(*ast.BasicLit)
					if !ok {
						continue
					}
					found++
					if text, err := strconv.Unquote(literal.Value); err != nil || !slices.Contains(reasons, picture.Reason(text)) {
						t.Errorf("%s: %s has no text", path, spec.Names[i])
					}
				}
				return true
			})
		}
	}
	if found < len(reasons) {
		t.Errorf("found %d reasons, and there are texts of %d", found, len(reasons))
	}
}

// isReason reports whether a type is picture.Reason, as it is written there or elsewhere.
func isReason(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "Reason"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Reason"
	}
	return false
}

// sentences are those about services, with an error that leads to each.
var sentences = map[string]error{
	"key.none":            source.ErrNoKey,
	"key.unread":          fmt.Errorf("%w: locked", ErrKeyUnread),
	"key.refused":         &source.FlickrError{Code: 100},
	"key.secret":          &source.FlickrError{Code: 96},
	"flickr.later":        fmt.Errorf("searching: %w", &source.FlickrError{Code: 105}),
	"flickr.search":       &source.FlickrError{Code: 3},
	"service.wait":        &source.ServiceError{Service: "s", Status: http.StatusTooManyRequests, RetryAfter: time.Hour},
	"service.limit":       &source.ServiceError{Service: "s", Status: http.StatusTooManyRequests},
	"service.trouble":     &source.ServiceError{Service: "s", Status: http.StatusBadGateway},
	"service.refused":     &source.ServiceError{Service: "s", Status: http.StatusForbidden},
	"service.unreachable": &source.ServiceError{Service: "s", Err: errors.New("no route")},
	"link":                nil,
}

func TestSentencesOfServices(t *testing.T) {
	for want, err := range sentences {
		if err != nil && sentence(err) != want {
			t.Errorf("%v: %s, want %s", err, sentence(err), want)
		}
	}
	for _, code := range []int{0, 10, 106, 201} {
		if got := sentence(&source.FlickrError{Code: code}); got != "flickr.later" {
			t.Errorf("code %d: %s", code, got)
		}
	}
	if err := fmt.Errorf("%w: %w", source.ErrNoKey, secret.ErrNone); sentence(err) != "key.none" {
		t.Errorf("without a key: %s", sentence(err))
	}
}

// onServer gives the services of a server on this machine, as the program does.
func onServer(t *testing.T, s *collecttest.Server) []Service {
	t.Helper()
	at := collecttest.Start(t, s)
	hosts := []string{strings.TrimPrefix(at, "http://")}
	web := source.Web{Unpaced: true, Clock: source.Clock{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}}
	return []Service{{
		Service: source.Service{Kind: "flickr", Name: "Flickr", Licenses: source.AllTerms()}, FindKey: func(context.Context) error { return nil },
		Open: func(_ context.Context, w source.Wanted) (source.Source, error) {
			return &source.Flickr{
				Key: secret.New(s.Key), Secret: secret.New(s.Secret), Terms: w.Licenses, MinSide: w.MinSide, ExcludeWords: w.ExcludeWords,
				Endpoint: at + collecttest.FlickrPath, ImageHosts: hosts, Web: web,
			}, nil
		},
	}, {
		Service: source.Service{Kind: "openverse", Name: "Openverse", Licenses: []source.Terms{source.BY, source.CC0, source.BYSA}},
		Open: func(_ context.Context, w source.Wanted) (source.Source, error) {
			return &source.Openverse{Terms: w.Licenses, MinSide: w.MinSide, ExcludeWords: w.ExcludeWords, Endpoint: at + collecttest.OpenversePath, ImageHosts: hosts, Web: web}, nil
		},
	}}
}

// digests gives the photos of a dataset by their bytes, with their labels.
func digests(t *testing.T, l *curate.Library) map[picture.Digest]string {
	t.Helper()
	found := map[picture.Digest]string{}
	for _, p := range l.Photos(curate.Query{}) {
		data, err := os.ReadFile(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		found[picture.Sum(data)] = p.Label
	}
	return found
}

// without gives what 20 photos of each keyword are where nothing goes wrong.
func without(t *testing.T, s Service, w source.Wanted, keywords []string) map[picture.Digest]string {
	t.Helper()
	l, err := curate.Create(t.Context(), filepath.Join(t.TempDir(), "clean"), nil, curate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	from, err := s.Open(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	var requests []source.Request
	for _, k := range keywords {
		requests = append(requests, source.Request{Keyword: k, Label: k, Count: 20})
	}
	c := source.Collector{Library: l, Source: from, MinSide: w.MinSide, Comparer: l}
	if _, err := c.Run(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	return digests(t, l)
}

// TestServicesThroughFaults collects 3 x 20 photos while one answer in five is wrong, stops in the middle, and goes on.
func TestServicesThroughFaults(t *testing.T) {
	keywords := []string{"rose", "sunflower", "lilium"}
	for i, name := range []string{"Flickr", "Openverse"} {
		t.Run(name, func(t *testing.T) {
			server := &collecttest.Server{Key: "0123456789abcdef", Secret: "very secret", Faults: collecttest.Faults{Seed: 5, Rate: 0.2}}
			for _, k := range keywords {
				server.Photos = append(server.Photos, collecttest.Photos(k, 120, 320)...)
			}
			for n := range server.Photos {
				server.Photos[n].Class += n // Flowers of one class look rather alike.
			}
			w := newWorld(t, onServer(t, server)...)
			w.lib.dir = t.TempDir()
			library, err := curate.Create(t.Context(), filepath.Join(w.lib.dir, "flowers"), nil, curate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := library.Close(); err != nil {
					t.Error(err)
				}
			})
			w.setLibrary(library)
			w.useService(i)
			healthy := onServer(t, &collecttest.Server{Key: server.Key, Secret: server.Secret, Photos: server.Photos})[i]
			want := without(t, healthy, w.wanted(), keywords)
			for k, keyword := range keywords {
				if k > 0 {
					w.addKeyword()
				}
				w.setKeyword(k, keyword)
			}
			w.start()
			w.q.until(t, func() bool { return len(w.photos) >= 3 })
			w.halt()
			w.q.until(t, func() bool { return w.stage == finished })
			before := len(library.Photos(curate.Query{}))
			if !errors.Is(w.outcome.err, context.Canceled) || before == 0 || w.outcome.landed != before {
				t.Fatalf("stopped with %+v, %d photos", w.outcome, before)
			}
			w.idle(t)
			w.again()
			w.collected(t)
			if o := w.outcome; o.err != nil || o.there != before || o.landed != 60-before || len(o.short) != 0 {
				t.Errorf("the outcome is %+v", o)
			}
			ids := map[string]bool{}
			for _, photo := range library.Photos(curate.Query{}) {
				ids[photo.Source.ID] = true
				if photo.Source.Author == "" || photo.Source.License == "" || photo.Source.PageURL == "" {
					t.Errorf("nobody knows whom to credit: %+v", photo.Source)
				}
			}
			if got := digests(t, library); len(ids) != 60 || !maps.Equal(got, want) {
				t.Errorf("there are %d photos, want 60; without faults they are others: %v, %v", len(ids), got, want)
			}
			for k, r := range w.rows {
				if here(r.result) != 20 || r.exhausted {
					t.Errorf("row %d: %+v", k, r.result)
				}
			}
			if made := server.Counts().Faults; made < 5 {
				t.Errorf("only %d answers went wrong", made)
			}
			if len(w.failures) != 0 {
				t.Errorf("failures: %v", w.failures)
			}
		})
	}
}

func TestWrongKey(t *testing.T) {
	server := &collecttest.Server{Key: "0123456789abcdef", Secret: "very secret"}
	services := onServer(t, server)
	server.Secret = "another"
	s := newTab(t, "en", theme.Light, services...)
	s.p.setLibrary(s.lib)
	s.p.useService(0)
	s.p.setKeyword(0, "rose")
	open := s.p.services[0].Open
	s.p.services[0].Open = func(ctx context.Context, w source.Wanted) (source.Source, error) {
		from, err := open(ctx, w)
		if f, ok := from.(*source.Flickr); ok {
			f.Secret = secret.New("very secret")
		}
		return from, err
	}
	s.run()
	top := s.window.Canvas().Overlays().Top()
	if top == nil || !says(seen(top), "Flickr does not accept the secret that belongs to the key") {
		t.Fatal("nobody says that the secret is wrong")
	}
	s.look("wrong-secret-en")
	test.Tap(s.button("Details"))
	top = s.window.Canvas().Overlays().Top()
	if top == nil || strings.Contains(seen(top), "very secret") || strings.Contains(seen(top), server.Key) {
		t.Error("the key is told")
	}
}

func TestKeyIsLookedFor(t *testing.T) {
	for language, brightness := range map[string]theme.Brightness{"en": theme.Light, "ja": theme.Dark} {
		found := make(chan error)
		services := []Service{
			{Service: source.Service{Kind: "flickr", Name: "Flickr", Licenses: source.AllTerms()}, FindKey: func(ctx context.Context) error {
				select {
				case err := <-found:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}},
			{Service: source.Service{Kind: "openverse", Name: "Openverse", Licenses: source.FreeTerms()}},
		}
		s := newTab(t, language, brightness, services...)
		tx := s.texts()
		s.p.setLibrary(s.lib)
		s.p.useService(0)
		s.p.setKeyword(0, "rose")
		if !s.p.ready() {
			t.Error("it does not wait for the keyring, which may ask for a password")
		}
		found <- fmt.Errorf("flickr: %w", secret.ErrNone)
		s.q.until(t, func() bool { return s.p.noKey })
		s.says(tx.T("collect.key.title", "Service", "Flickr"))
		s.says(tx.T("collect.key.how"))
		s.says(tx.T("collect.fault.key", "Service", "Flickr"))
		s.says(tx.T("collect.flickr.notice"))
		if !s.view.start.Disabled() {
			t.Error("it can be started without a key")
		}
		s.look("key-missing-" + language)
		test.Tap(s.button(tx.T("collect.key.settings")))
		if strings.Join(s.asked, " ") != "settings" {
			t.Errorf("the frame was asked for %v", s.asked)
		}
		s.follow(tx.T("collect.key.page"))
		if page := <-s.opened; page != keyPage {
			t.Errorf("opened %s", page)
		}

		s.KeyChanged()
		found <- nil
		s.q.until(t, func() bool { return !s.p.noKey })
		s.says(tx.T("collect.empty.service", "Service", "Flickr"))
		if s.view.start.Disabled() {
			t.Error("there is a key, and it cannot be started")
		}
		s.look("service-" + language)
		test.Tap(s.view.licenses.title)
		s.look("licences-" + language)
		test.Tap(s.view.licenses.title)
		s.KeyChanged()
		found <- fmt.Errorf("flickr: %w", secret.ErrNone)
		s.q.until(t, func() bool { return s.p.noKey })
		test.Tap(s.button(tx.T("collect.key.instead", "Service", "Openverse")))
		if s.p.service == nil || s.p.service.Kind != "openverse" || s.p.noKey || s.p.rows[0].keyword != "rose" || s.view.sources.Selected != "Openverse" {
			t.Errorf("now %+v with %q, %q is chosen", s.p.service, s.p.rows[0].keyword, s.view.sources.Selected)
		}
		s.says(tx.T("collect.empty.service", "Service", "Openverse"))
		if s.view.notice.Visible() {
			t.Error("Flickr's notice stands where none of its photos are")
		}
	}
}

// everything is a service with each of the choices that there are.
func everything(opened func(source.Wanted) error) Service {
	s := service(5, opened)
	s.Filters = source.Filters{
		Sorts: source.FlickrSorts(), Origins: []source.Origin{{ID: "flickr", Name: "Flickr"}, {ID: "wikimedia", Name: "Wikimedia Commons"}}, Tags: true, Drawings: true, Unsafe: true,
	}
	return s
}

// TestFilters makes each choice, with the keyboard alone, in a window of the least size.
func TestFilters(t *testing.T) {
	for _, language := range i18n.Languages() {
		var wanted source.Wanted
		s := newTab(t, language, theme.Light, everything(func(w source.Wanted) error { wanted = w; return nil }), service(5, func(w source.Wanted) error { wanted = w; return nil }))
		s.window.Resize(fyne.NewSize(800, 600))
		s.p.setLibrary(s.lib)
		s.p.useService(0)
		tx := s.view.tx
		s.says(tx.T("collect.filter.more"))
		if n := s.p.filtered(); n != 0 {
			t.Errorf("%d choices are made, and nobody made them", n)
		}
		d := s.view.showFilters()
		s.look("filters-" + language)
		canvas := s.window.Canvas()
		press := func(keys ...fyne.KeyName) {
			for _, key := range keys {
				canvas.Focused().TypedKey(&fyne.KeyEvent{Name: key})
			}
		}
		for _, field := range []fyne.Focusable{d.exclude, d.excludeTags, d.sort, d.origin, d.tagsOnly, d.drawings, d.unsafe} {
			if canvas.Focused() != field {
				t.Fatalf("%T has the focus, not %T", canvas.Focused(), field)
			}
			switch field := field.(type) {
			case *widgets.Entry:
				test.Type(field, "toy 絵")
			case *widgets.Select:
				press(fyne.KeyRight)
			case *widgets.Check:
				field.TypedRune(' ')
			}
			canvas.FocusNext()
		}
		press(fyne.KeyEscape)
		if canvas.Overlays().Top() != nil {
			t.Error("Escape does not close it")
		}
		s.says(tx.T("collect.filter.some", "Count", "7"))
		s.look("filtered-" + language)
		want := source.Wanted{
			Licenses: s.p.licenses, MinSide: 200, ExcludeWords: []string{"toy", "絵"}, ExcludeTags: []string{"toy", "絵"},
			Sort: source.MostInteresting, Origins: []string{"flickr"}, TagsOnly: true, Drawings: true, Unsafe: true,
		}
		s.p.setKeyword(0, "rose")
		s.p.setCount(0, "2")
		s.p.start()
		s.q.until(t, func() bool { return s.p.stage == finished })
		if !reflect.DeepEqual(wanted, want) {
			t.Errorf("it was opened with %+v, want %+v", wanted, want)
		}
		s.p.again()
		s.p.useService(1) // Which has nothing but words.
		s.says(tx.T("collect.filter.some", "Count", "1"))
		d = s.view.showFilters()
		if d.excludeTags != nil || d.sort != nil || d.origin != nil || d.tagsOnly != nil || d.drawings != nil || d.unsafe != nil || d.exclude.Text != "toy 絵" {
			t.Errorf("choices that the service has not: %+v", d)
		}
		press(fyne.KeyEscape)
	}
}

func TestChoicesAreKept(t *testing.T) {
	services := []Service{{Service: source.Service{Kind: "flickr", Name: "Flickr", Licenses: source.AllTerms()}}, {Service: source.Service{Kind: "openverse", Name: "Openverse", Licenses: []source.Terms{source.BY, source.BYNC}}}}
	w := newWorld(t, services...)
	if !w.near {
		t.Error("photos that look alike come in unless somebody minds")
	}
	w.useService(0)
	if !slices.Equal(w.licenses, source.FreeTerms()) || w.sideText != "200" {
		t.Errorf("at first: %v, %s", w.licenses, w.sideText)
	}
	w.allow(source.BYNC, true)
	w.allow(source.BY, false)
	w.setNear(false)
	w.setFilters(func(f *filters) { f.exclude, f.sort, f.unsafe = "toy", source.NewestPosted, true })
	w.useService(1)
	if !slices.Equal(w.licenses, []source.Terms{source.BY}) {
		t.Errorf("the licences of another service: %v", w.licenses)
	}
	again := newPresenter(w.runner, services, w.prefs, w.q.dispatch, nil)
	defer again.close()
	again.useService(0)
	if again.near || again.filters != (filters{exclude: "toy", sort: source.NewestPosted, unsafe: true}) || slices.Contains(again.licenses, source.BY) || !slices.Contains(again.licenses, source.BYNC) {
		t.Errorf("the next time: %v, %+v, %v", again.near, again.filters, again.licenses)
	}
	for _, l := range source.AllTerms() {
		again.allow(l, false)
	}
	again.setKeyword(0, "rose")
	again.setLibrary(w.lib)
	if _, f := again.blocker(); f != noLicense || again.ready() {
		t.Errorf("without a licence: %q", f)
	}
	again.setLibrary(nil)
	w.prefs[prefLicenses+"flickr"] = "rubbish"
	w.useService(0)
	if !slices.Equal(w.licenses, source.FreeTerms()) {
		t.Errorf("out of rubbish: %v", w.licenses)
	}
	w.setMinSide("64")
	w.useService(-1)
	if w.minSide != 64 {
		t.Errorf("the size that was asked for is now %d", w.minSide)
	}
}

func TestListOfAddresses(t *testing.T) {
	server := &collecttest.Server{Photos: collecttest.Photos("rose", 3, 320)}
	at := collecttest.Start(t, server)
	s := newTab(t, "en", theme.Light)
	s.lib.dir = t.TempDir()
	s.p.setLibrary(s.lib)
	list := filepath.Join(s.lib.dir, "Roses.CSV") // In the dataset's own folder, which is no reason against it.
	var text strings.Builder
	text.WriteString("url,label,author,license\n")
	for i := range server.Photos {
		fmt.Fprintf(&text, "%s%s,rose,A. Uthor,CC0\n", at, address(&server.Photos[i]))
	}
	write(t, list, []byte(text.String()+"rubbish,rose\n"))
	s.list(list)
	if len(s.p.rows) != 1 || s.p.rows[0].label != "rose" || s.p.rows[0].available != 3 {
		t.Fatalf("%v, rows %+v", s.p.listErr, s.p.rows)
	}
	s.p.setNear(false)
	s.run()
	if o := s.p.outcome; o.err != nil || o.landed != 3 || o.refused != 1 || s.p.refused[picture.Unreadable] != 1 {
		t.Errorf("the outcome is %+v, %v", o, s.p.refused)
	}
	s.view.arrived.open(s.p.photos[0])
	s.says("A. Uthor")
	s.says(at)

	for name, content := range map[string]string{"none.txt": "# nothing\n", "rubbish.csv": "url,label\nno,way\n", "binary.txt": "\x00\x01", "gone.txt": ""} {
		path := filepath.Join(t.TempDir(), name)
		if content != "" {
			write(t, path, []byte(content))
		}
		s.list(path)
		s.says("No addresses can be read from this list")
	}
	if !source.IsList("/a/B.TXT") || !source.IsList("b.tsv") || source.IsList("/a/b.zip") || source.IsList("csv") {
		t.Error("lists are not told by their names")
	}
}

// address gives the path of a picture of the server, which has it in its medium size.
func address(p *collecttest.Photo) string {
	return fmt.Sprintf("/65535/%s_%010x.jpg", p.ID, uint64(p.Seed)*2654435761+uint64(p.Class))
}

// follow opens the link with a text, with the keyboard: where on it a click hits, depends on its text.
func (s *stageView) follow(text string) {
	s.t.Helper()
	link, ok := s.button(text).(*pageLink)
	if !ok {
		s.t.Fatalf("%q is no link", text)
	}
	link.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
}

func TestCredit(t *testing.T) {
	server := &collecttest.Server{Key: "0123456789abcdef", Secret: "very secret", Photos: collecttest.Photos("rose", 40, 320)}
	s := newTab(t, "en", theme.Light, onServer(t, server)...)
	s.p.setLibrary(s.lib)
	s.p.useService(0)
	s.p.setKeyword(0, "rose")
	s.p.setCount(0, "1")
	s.run()
	s.view.arrived.grid.Select(0)
	from := s.p.photos[0].Source
	for _, text := range []string{from.Title, from.Author, from.License, from.PageURL, "Flickr", source.FlickrNotice} {
		s.says(text)
	}
	s.look("credit-en")
	for text, page := range map[string]string{from.Author: from.AuthorURL, from.License: from.LicenseURL, from.PageURL: from.PageURL} {
		s.follow(text)
		if opened := <-s.opened; opened != page {
			t.Errorf("%s opened %s", text, opened)
		}
	}

	// The keyboard reaches the links, and what cannot be opened is told with its address.
	links := 0
	s.window.Canvas().Unfocus()
	s.noBrowser = errors.New("no browser")
	for range 60 {
		s.window.Canvas().FocusNext()
		if link, ok := s.window.Canvas().Focused().(*pageLink); ok {
			links++
			link.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
			s.q.until(t, func() bool { return s.window.Canvas().Overlays().Top() != nil })
			if top := s.window.Canvas().Overlays().Top(); !says(seen(top), "The page could not be opened. Its address is "+<-s.opened) {
				t.Errorf("it says %s", seen(top))
			}
			break
		}
	}
	if links == 0 {
		t.Error("the keyboard does not reach a link")
	}
}

func TestBadAddressesAreNoLinks(t *testing.T) {
	for _, address := range []string{"", "javascript:alert(1)", "file:///etc/passwd", "https:", "//x", "ftp://a/b", "http://\x00"} {
		if _, ok := webPage(address); ok {
			t.Errorf("%q is a page of the web", address)
		}
	}
	if page, ok := webPage("https://example.com/a?b"); !ok || page.String() != "https://example.com/a?b" {
		t.Errorf("no page: %v", page)
	}
}

func TestProgress(t *testing.T) {
	event := func(request, landed, there, refused int) source.Event {
		return source.Event{Request: request, Counts: source.Counts{Landed: landed, There: there, Refused: refused}}
	}
	for name, tc := range map[string]struct {
		progress progress
		events   []source.Event
		want     job.Progress
	}{
		"nothing yet":            {progress{shares: []share{{wanted: 20}}}, nil, job.Progress{Total: 20}},
		"refused are replaced":   {progress{shares: []share{{wanted: 20}}}, []source.Event{event(0, 2, 0, 30)}, job.Progress{Done: 2, Total: 20}},
		"refused are not":        {progress{shares: []share{{wanted: 20, final: true}}}, []source.Event{event(0, 2, 0, 3)}, job.Progress{Done: 5, Total: 20}},
		"there takes no time":    {progress{shares: []share{{wanted: 20}}}, []source.Event{event(0, 2, 15, 0)}, job.Progress{Done: 2, Total: 5}},
		"more there than wanted": {progress{shares: []share{{wanted: 20}}}, []source.Event{event(0, 2, 25, 0)}, job.Progress{Done: 2, Total: 2}},
		"nobody knows":           {progress{shares: []share{{wanted: 20}, {}}}, []source.Event{event(0, 2, 0, 0)}, job.Progress{}},
		"exhausted":              {progress{shares: []share{{wanted: 20}, {wanted: 20}}, inTurn: true}, []source.Event{event(0, 3, 0, 0), event(1, 1, 0, 0)}, job.Progress{Done: 4, Total: 23}},
		"all at once":            {progress{shares: []share{{wanted: 20}, {wanted: 20}}}, []source.Event{event(0, 3, 0, 0), event(1, 1, 0, 0)}, job.Progress{Done: 4, Total: 40}},
		"of none":                {progress{shares: []share{{wanted: 20}}}, []source.Event{event(-1, 0, 0, 1)}, job.Progress{Total: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range tc.events {
				tc.progress.put(e)
			}
			if got := tc.progress.state(); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestExhaustedWhileItRuns(t *testing.T) {
	w := newWorld(t, service(5, func(source.Wanted) error { return nil }))
	w.useService(0)
	w.setMinSide("10")
	w.setKeyword(0, "rose")
	w.addKeyword()
	w.setKeyword(1, "tulips")
	reached, proceed := make(chan struct{}), make(chan struct{})
	landed := 0
	w.lib.added = func() {
		if landed++; landed == 7 {
			close(reached)
			<-proceed
		}
	}
	w.start()
	<-reached
	w.q.until(t, func() bool { return len(w.photos) == 6 })
	if !w.rows[0].exhausted || w.rows[1].exhausted {
		t.Error("it is not said in time that the source has no more roses")
	}
	close(proceed)
	w.q.until(t, func() bool { return w.stage == finished })
	if !w.rows[1].exhausted {
		t.Error("it is not said that the source has no more tulips")
	}
}

// TestEnterAddsKeyword types keywords with the keyboard alone, as fast as can be: nothing that is put off until later has
// a turn in between.
func TestEnterAddsKeyword(t *testing.T) {
	for name, open := range map[string]bool{"room": false, "little room": true} {
		t.Run(name, func(t *testing.T) {
			s := newTab(t, "en", theme.Light, service(5, func(source.Wanted) error { return nil }))
			s.p.setLibrary(s.lib)
			s.p.useService(0)
			if open {
				test.Tap(s.view.licenses.title)
			}
			for range 60 {
				if s.window.Canvas().Focused() != s.view.rowOf[0].keyword {
					s.window.Canvas().FocusNext()
				}
			}
			for i := range 12 {
				for _, letter := range fmt.Sprint("keyword ", i) {
					s.window.Canvas().Focused().TypedRune(letter)
				}
				s.window.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
			}
			if len(s.p.rows) != 13 || s.p.rows[12].keyword != "" {
				t.Fatalf("there are %d rows, the last one is %+v", len(s.p.rows), s.p.rows[len(s.p.rows)-1])
			}
			for i, r := range s.p.rows[:12] {
				if r.keyword != fmt.Sprint("keyword ", i) || r.label != r.keyword {
					t.Errorf("row %d is %+v", i, r)
				}
			}
			s.look("keywords-en")
		})
	}
}

// TestMovedPhotosAreNotCounted has a photo of an earlier run that has another label by now: another one took its place.
func TestMovedPhotosAreNotCounted(t *testing.T) {
	s := newTab(t, "en", theme.Light, service(5, func(source.Wanted) error { return nil }))
	s.p.setLibrary(s.lib)
	s.p.useService(0)
	s.p.setKeyword(0, "rose")
	s.p.setCount(0, "3")
	counts := source.Counts{Landed: 1, There: 3, Moved: 1}
	s.p.stage, s.p.rows[0].part, s.p.rows[0].result = finished, true, counts
	s.view.refresh()
	s.says("3 of 3")
	for _, tc := range []struct {
		share share
		want  job.Progress
	}{
		{share{wanted: 3, counts: counts}, job.Progress{Done: 1, Total: 1}},
		{share{wanted: 10, counts: counts}, job.Progress{Done: 1, Total: 8}},
		{share{wanted: 10, final: true, counts: counts}, job.Progress{Done: 1, Total: 7}}, // It is not replaced.
	} {
		p := progress{shares: []share{tc.share}}
		if got := p.state(); got != tc.want {
			t.Errorf("%+v: %+v, want %+v", tc.share, got, tc.want)
		}
	}
}

// TestPauseIsSaid has a service ask for a pause: it is said until the next photo comes.
func TestPauseIsSaid(t *testing.T) {
	for _, language := range i18n.Languages() {
		s := newTab(t, language, theme.Light, service(5, func(source.Wanted) error { return nil }))
		s.p.setLibrary(s.lib)
		s.p.useService(0)
		s.p.stage = running
		until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
		s.p.inbox.wait(asked{"Flickr", until}, func() {})
		s.p.drain()
		s.says(s.texts().T("collect.waiting", "Service", "Flickr", "Time", "2026-01-02 03:04"))
		s.p.drain() // Nothing new: it still holds.
		s.says("2026-01-02 03:04")
		s.p.inbox.put(source.Event{Request: 0}, func() {})
		s.p.drain()
		s.says(s.texts().T("collect.running"))
		s.p.stage = choosing
	}
}
