package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"kaika/core/curate"
	"kaika/core/inbox"
	"kaika/core/inbox/remote"
	"kaika/core/secret"
)

// Source is where kept photos are.
type Source interface {
	List(ctx context.Context, q inbox.Query) (inbox.Page, error)
	Photo(ctx context.Context, id string) (data []byte, kind string, err error)
	Remove(ctx context.Context, id string) error
	Place() string
	Close() error
}

// Dataset is what is needed of a *curate.Library.
type Dataset interface {
	Labels() []curate.LabelCount
	Add(ctx context.Context, a curate.Addition) (curate.Photo, error)
	Subscribe(f func(curate.Change)) (unsubscribe func())
}

// Secrets keep the names and passwords of servers.
type Secrets interface {
	Find(ctx context.Context, name string) (secret.Credentials, secret.Place, error)
	Keep(ctx context.Context, name string, c secret.Credentials) (secret.Place, error)
}

// Preferences keep the last place and the choices across starts. They are called on the window's goroutine only.
type Preferences interface {
	String(key string) string
	SetString(key, value string)
}

var (
	_ Source  = (*inbox.Inbox)(nil)
	_ Source  = (*remote.Client)(nil)
	_ Dataset = (*curate.Library)(nil)
	_ Secrets = (*secret.Store)(nil)
)

// Names of the preferences.
const (
	prefPlace = "inbox.place"
	prefOrder = "inbox.order"
	prefStay  = "inbox.stay" // "yes" where photos stay in the inbox when they were added.
)

// pageSize is how many photos are listed at once, and portion how many before the user asks for more.
const (
	pageSize = 100
	portion  = 500
)

// A failure says what did not work.
type failure int

const (
	failedOpen failure = iota
	failedList
	failedAdd
	failedTrash // The same photo is in the dataset's trash.
	failedRemove
	failedKeep // The password could not be kept.
)

// A done says what was done last.
type done struct {
	added, already, removed, gone int
	label                         string
}

// A screen draws what the presenter holds. It is called on the window's goroutine.
type screen interface {
	draw()
	drawPicked()
	fail(what failure, err error)
}

// A lease is a source that is closed when nobody uses it any more.
type lease struct {
	Source

	uses sync.WaitGroup
}

// presenter holds what the inbox shows. Its methods are called on the window's goroutine, if nothing else is said.
type presenter struct {
	preferences Preferences
	secrets     Secrets
	dispatch    func(func())
	screen      screen

	ctx  context.Context //nolint:containedctx // It ends with the window, which outlives every call.
	end  context.CancelFunc
	work sync.WaitGroup
	tail chan struct{} // Closed when all is done that was asked for; each waits for the one before it.

	source  *lease
	place   string // Of the source, or of what is being opened.
	opens   int    // Number of the last opening.
	lists   int    // Number of the last page that was asked for.
	loading bool
	busy    int // Photos that are on their way.

	order    inbox.Order
	listings int // Numbers the lists that were begun.
	records  []inbox.Record
	known    map[string]struct{} // IDs that were listed.
	there    int                 // Photos that were listed and are still in the inbox.
	total    int
	wanted   int // Photos that should be listed.

	dataset     Dataset
	unsubscribe func()
	labels      []string

	selected map[string]struct{}
	focus    string
	last     done

	thumbs *thumbs
}

func newPresenter(preferences Preferences, secrets Secrets, dispatch func(func())) *presenter {
	p := &presenter{
		preferences: preferences, secrets: secrets, dispatch: dispatch, tail: make(chan struct{}),
		selected: map[string]struct{}{}, known: map[string]struct{}{}, order: inbox.ByConfidence,
	}
	if preferences.String(prefOrder) == string(inbox.Newest) {
		p.order = inbox.Newest
	}
	close(p.tail)
	p.ctx, p.end = context.WithCancel(context.Background())
	p.thumbs = newThumbs(p)
	return p
}

// close ends everything and waits for it. A photo is in the dataset by then or still in the inbox.
func (p *presenter) close() {
	p.setDataset(nil)
	p.end()
	p.leave()
	p.work.Wait()
}

// leave closes the source when nobody uses it any more.
func (p *presenter) leave() {
	if old := p.source; old != nil {
		p.source = nil
		p.work.Go(func() {
			old.uses.Wait()
			_ = old.Close() // It was read, and what was written is there.
		})
	}
}

// with does something with the source, beside; false where there is none.
func (p *presenter) with(do func(s Source)) bool {
	s := p.source
	if s == nil || p.ctx.Err() != nil {
		return false
	}
	s.uses.Add(1)
	p.work.Go(func() {
		defer s.uses.Done()
		do(s)
	})
	return true
}

func (p *presenter) draw() {
	if p.screen != nil {
		p.screen.draw()
	}
}

func (p *presenter) fail(what failure, err error) {
	if p.screen != nil && p.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		p.screen.fail(what, err)
	}
}

// setDataset tells into which dataset photos are brought, nil for none.
func (p *presenter) setDataset(d Dataset) {
	if p.unsubscribe != nil {
		p.unsubscribe()
		p.unsubscribe = nil
	}
	p.dataset, p.labels = d, nil
	if d != nil {
		p.unsubscribe = d.Subscribe(func(curate.Change) { p.dispatch(p.readLabels) })
		p.readLabels()
	}
	p.draw()
}

// readLabels reads the labels, beside.
func (p *presenter) readLabels() {
	d := p.dataset
	if d == nil || p.ctx.Err() != nil {
		return
	}
	p.work.Go(func() {
		var labels []string
		for _, l := range d.Labels() {
			labels = append(labels, l.Name)
		}
		p.dispatch(func() {
			if d == p.dataset && !slices.Equal(labels, p.labels) {
				p.labels = labels
				p.draw()
			}
		})
	})
}

// reopen opens the place of the last time, if there is none yet.
func (p *presenter) reopen() {
	place := p.preferences.String(prefPlace)
	switch {
	case p.source != nil || p.loading:
		p.list()
	case isServer(place):
		p.openServer(place, secret.Credentials{})
	case place != "":
		p.openFolder(place)
	}
}

func isServer(place string) bool {
	return strings.HasPrefix(place, "http://") || strings.HasPrefix(place, "https://")
}

// openFolder shows the kept photos of a folder.
func (p *presenter) openFolder(dir string) {
	p.open(dir, func(ctx context.Context) (Source, error) { return inbox.Open(ctx, dir, false) }, nil)
}

// openServer shows those of a server. Without a password, the one that is kept is used; a new one is kept once it was right.
func (p *presenter) openServer(address string, who secret.Credentials) {
	at, err := remote.Parse(address)
	if err != nil {
		p.fail(failedOpen, err)
		return
	}
	name := "server " + at.String()
	given := !who.Secret.Empty()
	keep := func(ctx context.Context) error {
		if !given {
			return nil
		}
		_, err := p.secrets.Keep(ctx, name, who)
		return err
	}
	p.open(at.String(), func(ctx context.Context) (Source, error) {
		if !given {
			kept, _, err := p.secrets.Find(ctx, name)
			if err != nil && !errors.Is(err, secret.ErrNone) {
				return nil, err
			}
			who = kept
		}
		return remote.New(at.String(), who)
	}, keep)
}

// open opens a source and lists its first page, beside. What was shown before stays until that has worked.
func (p *presenter) open(place string, open func(ctx context.Context) (Source, error), worked func(ctx context.Context) error) {
	p.opens++
	number, query := p.opens, inbox.Query{Order: p.order, Limit: pageSize}
	p.loading = true
	p.lists++ // A listing under way is not wanted any more.
	p.work.Go(func() {
		var page inbox.Page
		source, err := open(p.ctx)
		if err == nil {
			if page, err = source.List(p.ctx, query); err != nil {
				err = errors.Join(err, source.Close())
			}
		}
		var kept error
		if err == nil && worked != nil {
			kept = worked(p.ctx)
		}
		p.dispatch(func() {
			switch {
			case number != p.opens || p.ctx.Err() != nil:
				if err == nil {
					p.work.Go(func() { _ = source.Close() }) // Nobody has used it.
				}
				return
			case err != nil:
				p.loading = false
				p.draw()
				p.fail(failedOpen, err)
				return
			}
			p.leave()
			p.source, p.place = &lease{Source: source}, place
			p.preferences.SetString(prefPlace, place)
			p.clear()
			p.lists++ // Pages of the place before are late.
			if query.Order == p.order {
				p.page(page)
			} else { // It was changed meanwhile.
				p.list()
			}
			if kept != nil {
				p.fail(failedKeep, kept)
			}
		})
	})
	p.draw()
}

func (p *presenter) clear() {
	p.listings++
	p.records, p.there, p.total, p.wanted, p.focus, p.last = nil, 0, 0, portion, "", done{}
	clear(p.known)
	clear(p.selected)
}

// page adds a page to the list, and asks for the next.
func (p *presenter) page(page inbox.Page) {
	p.loading = false
	p.total = page.Total
	before := p.there
	for _, r := range page.Uploads {
		if _, ok := p.known[r.ID]; !ok {
			p.known[r.ID] = struct{}{}
			p.records = append(p.records, r)
			p.there++
		}
	}
	if p.focus == "" && len(p.records) > 0 {
		p.focus = p.records[0].ID
	}
	switch last := page.Offset+pageSize >= page.Total; {
	case last:
		p.total = p.there // Some may have gone meanwhile.
	case p.there > before && len(p.records) < p.wanted:
		p.next(p.there) // Not behind the page: photos that were before it may be gone.
	}
	p.draw()
}

// next lists a page, beside.
func (p *presenter) next(offset int) {
	p.lists++
	number, query := p.lists, inbox.Query{Order: p.order, Offset: offset, Limit: pageSize}
	p.loading = p.with(func(s Source) {
		page, err := s.List(p.ctx, query)
		p.dispatch(func() {
			switch {
			case number != p.lists || p.ctx.Err() != nil:
			case err != nil:
				p.loading = false
				p.draw()
				p.fail(failedList, err)
			default:
				p.page(page)
			}
		})
	})
}

// list lists the photos anew.
func (p *presenter) list() {
	if p.source == nil {
		return
	}
	p.clear()
	p.next(0)
	p.draw()
}

// more lists the next portion.
func (p *presenter) more() {
	if p.loading || !p.hasMore() {
		return
	}
	p.wanted = len(p.records) + portion
	p.next(p.there)
	p.draw()
}

// hasMore tells whether there are photos that are not listed.
func (p *presenter) hasMore() bool { return p.there < p.total }

// sortBy changes the order.
func (p *presenter) sortBy(order inbox.Order) {
	if order != p.order {
		p.order = order
		p.preferences.SetString(prefOrder, string(order))
		p.list()
	}
}

// stays tells whether photos stay in the inbox when they were added.
func (p *presenter) stays() bool { return p.preferences.String(prefStay) == "yes" }

func (p *presenter) setStays(stay bool) {
	p.preferences.SetString(prefStay, map[bool]string{true: "yes"}[stay])
}

// pick is what the user selected, by places, and where the focus is; -1 is none.
func (p *presenter) pick(places []int, focus int) {
	clear(p.selected)
	for _, i := range places {
		p.selected[p.records[i].ID] = struct{}{}
	}
	p.focus = ""
	if focus >= 0 && focus < len(p.records) {
		p.focus = p.records[focus].ID
	}
	if p.screen != nil {
		p.screen.drawPicked()
	}
}

// picked gives the places of the selected photos, and of the focus.
func (p *presenter) picked() (places []int, focus int) {
	focus = -1
	for i, r := range p.records {
		if _, ok := p.selected[r.ID]; ok {
			places = append(places, i)
		}
		if r.ID == p.focus {
			focus = i
		}
	}
	return places, focus
}

// focused gives the record at the focus.
func (p *presenter) focused() (inbox.Record, bool) {
	if _, i := p.picked(); i >= 0 {
		return p.records[i], true
	}
	return inbox.Record{}, false
}

// suggestion is the label that the model gave the photo at the focus, "" for none.
func (p *presenter) suggestion() string {
	if r, ok := p.focused(); ok && len(r.Predictions) > 0 {
		return r.Predictions[0].Label
	}
	return ""
}

// targets takes the selected photos out of the list, else the one at the focus, and moves that to the next one.
func (p *presenter) targets() []inbox.Record {
	places, focus := p.picked()
	if len(places) == 0 && focus >= 0 {
		places = []int{focus}
	}
	if len(places) == 0 {
		return nil
	}
	var out, left []inbox.Record
	p.focus = ""
	for i, r := range p.records {
		if slices.Contains(places, i) {
			out = append(out, r)
			continue
		}
		left = append(left, r)
		if p.focus == "" && i > places[0] {
			p.focus = r.ID
		}
	}
	if p.focus == "" && len(left) > 0 {
		p.focus = left[len(left)-1].ID
	}
	p.records = left
	clear(p.selected)
	p.busy += len(out)
	return out
}

// putBack puts photos with which nothing has happened back to the top of the list.
func (p *presenter) putBack(records []inbox.Record) {
	if len(records) > 0 {
		p.records = append(slices.Clone(records), p.records...)
		p.focus = records[0].ID
	}
}

// number gives the label of a number key, 0 for the tenth.
func (p *presenter) number(n int) (string, bool) {
	i := (n + 9) % 10
	if i >= len(p.labels) {
		return "", false
	}
	return p.labels[i], true
}

// add brings the selected photos, else the one at the focus, into the dataset under a label.
func (p *presenter) add(label string) {
	d, remove := p.dataset, !p.stays()
	if d == nil || label == "" || p.source == nil {
		return
	}
	batch := "inbox " + time.Now().Format(time.RFC3339Nano)
	p.each(done{label: label}, func(s Source, r inbox.Record, so *done) (failure, error) {
		err := bring(p.ctx, s, d, r, label, batch)
		var same *curate.DuplicateError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			so.gone++
			return 0, nil
		case errors.As(err, &same) && !same.Photo.Deleted.IsZero():
			return failedTrash, err
		case errors.As(err, &same):
			so.already++
		case err != nil:
			return failedAdd, err
		default:
			so.added++
		}
		if !remove {
			return 0, nil
		}
		// It is in the dataset: whether it can be removed here changes nothing of that.
		if err := s.Remove(p.ctx, r.ID); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failedRemove, err
		}
		so.removed++
		return 0, nil
	})
}

// bring brings one photo into a dataset.
func bring(ctx context.Context, s Source, d Dataset, r inbox.Record, label, batch string) error {
	data, kind, err := s.Photo(ctx, r.ID)
	if err != nil {
		return err
	}
	end := ".jpg"
	if kind == "image/png" {
		end = ".png"
	}
	_, err = d.Add(ctx, curate.Addition{
		Label: label, Name: fmt.Sprintf("upload-%s-%.8s%s", r.Kept.UTC().Format("20060102-150405"), r.ID[strings.LastIndexByte(r.ID, '-')+1:], end),
		Data: data, Source: curate.Source{Kind: "upload", ID: r.ID, Retrieved: time.Now().UTC(), From: s.Place()}, Batch: batch,
	})
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error()) // A folder of the dataset, not the photo.
	}
	return err
}

// remove removes the selected photos, else the one at the focus, from the inbox for good.
func (p *presenter) remove() {
	p.each(done{}, func(s Source, r inbox.Record, so *done) (failure, error) {
		err := s.Remove(p.ctx, r.ID)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			so.gone++
		case err != nil:
			return failedRemove, err
		default:
			so.removed++
		}
		return 0, nil
	})
}

// each does something with each photo that is meant, beside, one after the other, until there is an error. The photos with
// which nothing was done come back then.
func (p *presenter) each(so done, do func(s Source, r inbox.Record, so *done) (failure, error)) {
	if p.source == nil {
		return
	}
	records := p.targets()
	opens, listings, before, mine := p.opens, p.listings, p.tail, make(chan struct{})
	p.tail = mine
	p.with(func(s Source) {
		defer close(mine)
		select {
		case <-before:
		case <-p.ctx.Done():
			return
		}
		var what failure
		var err error
		finished := 0
		for ; finished < len(records) && err == nil; finished++ {
			was := so
			if what, err = do(s, records[finished], &so); err != nil {
				if was != so { // It has landed, and is only not removed.
					finished++
				}
				break
			}
		}
		p.dispatch(func() {
			p.busy -= len(records)
			if p.ctx.Err() != nil {
				return
			}
			switch {
			case opens != p.opens:
			case listings == p.listings:
				p.there -= so.removed + so.gone
				p.total -= so.removed + so.gone
				p.putBack(records[finished:])
			case p.busy == 0:
				p.list() // The list that was made meanwhile has photos that were on their way.
			}
			p.last = so
			p.draw()
			if err != nil {
				p.fail(what, err)
			}
		})
	})
	p.draw()
}
