package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	source "kaika/core/collect"
	"kaika/core/curate"
	"kaika/core/dataset"
	"kaika/core/job"
	"kaika/core/picture"
	"kaika/core/secret"
)

// kind names the tab's jobs.
const kind = "collect"

const (
	interval     = 100 * time.Millisecond // The least time between two looks at what a job has done.
	keptPhotos   = 200                    // The newest photos that are shown.
	keptRefusals = 500                    // The newest refusals that are listed; all are counted.
	defaultCount = 20                     // Photos for a new keyword of a service.
	defaultSide  = source.OwnMinSide      // Pixels.
	serviceSide  = source.ServiceMinSide  // Pixels.
	maxSide      = 10_000                 // Pixels that may be asked for.
	maxKeyword   = 200                    // Letters of a keyword that services take.
)

// A stage is what the tab is doing.
type stage int

const (
	choosing stage = iota // What is to be collected is chosen.
	running
	finished // Shows what became of it.
)

// A fault is why collecting cannot start yet, as the end of a text's key.
type fault string

const (
	noFault        fault = ""
	nothingChosen  fault = "nothing"
	labelMissing   fault = "label.missing"
	labelBad       fault = "label.bad"
	labelClash     fault = "label.clash"
	countBad       fault = "count"
	keywordMissing fault = "keyword.missing"
	keywordTwice   fault = "keyword.twice"
	keywordLong    fault = "keyword.long"
	keyMissing     fault = "key"
	noLicense      fault = "license"
	sideBad        fault = "side"
)

// A row is a keyword, and what is wanted of it.
type row struct {
	keyword   string
	label     string
	count     int // 0 for all.
	countText string
	available int // Photos that the source has; -1 while unknown.
	on        bool

	labelFault fault
	result     source.Counts // Of the last run.
	part       bool          // Whether it was part of the last run.
	exhausted  bool          // Whether the source had no more for it.
}

// fault says what is wrong with the row by itself.
func (r *row) fault() fault {
	switch {
	case !r.on:
		return noFault
	case r.labelFault != noFault:
		return r.labelFault
	case r.count < 0:
		return countBad
	}
	return noFault
}

// wanted is how many photos the row is to bring, 0 where nobody knows.
func (r *row) wanted() int {
	switch {
	case r.available < 0:
		return r.count
	case r.count == 0:
		return r.available
	}
	return min(r.count, r.available)
}

// final reports whether nothing takes the place of a photo that is refused.
func (r *row) final() bool { return r.count == 0 || r.available >= 0 && r.count > r.available }

// presenter is the tab's state. All methods but those of the inbox are for the window's goroutine.
type presenter struct {
	jobs     Jobs
	services []Service
	prefs    Preferences
	dispatch func(func())
	log      *slog.Logger
	changed  func() // Called after a change of what is shown.
	failed   func(sentence string, err error)

	library Library // Nil for none.
	dir     string  // Of the library.

	recalled string // The folder of the dataset whose last search was looked for.
	keptSide bool   // The least side is that of such a search.

	stage    stage
	stopping bool

	service  *Service       // Nil for files of the user's own.
	licenses []source.Terms // Those allowed, in the service's order.
	filters  filters
	noKey    bool // The service needs a key, and there is none.
	searches int  // Numbers the searches for a key, so that a late one is known.

	path     string // The folder, archive or list of addresses.
	local    source.Local
	listing  bool
	listErr  error
	listKey  string // The end of the key of the sentence about listErr.
	unlist   context.CancelFunc
	listings int // Numbers them, so that a late one is known.

	rows     []*row
	minSide  int // -1 for a text that is no number.
	sideText string
	near     bool // Leave out photos that look like one that is there.

	order    []int          // Of the last run: the row of each request.
	ranIn    string         // The folder of its dataset.
	photos   []curate.Photo // The newest first.
	refusals []refusal      // The newest first.
	refused  map[picture.Reason]int
	compared compared
	pause    asked
	outcome  outcome

	ctx  context.Context // Ends with close.
	stop context.CancelFunc
	work sync.WaitGroup

	inbox inbox
}

// A refusal is why one photo does not come in.
type refusal struct {
	number int // Counts up through all runs.
	reason picture.Reason
	name   string
	text   string // In English.
}

// An outcome is how the last run ended.
type outcome struct {
	dir     string // The dataset's.
	landed  int
	there   int
	refused int
	short   []shortage
	err     error
}

// A shortage is a keyword of which there were fewer photos than wanted.
type shortage struct {
	request      int
	keyword      string
	found, count int
}

func newPresenter(jobs Jobs, services []Service, prefs Preferences, dispatch func(func()), log *slog.Logger) *presenter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &presenter{
		jobs: jobs, services: services, prefs: prefs, dispatch: dispatch, log: log, changed: func() {}, failed: func(string, error) {},
		minSide: defaultSide, sideText: strconv.Itoa(defaultSide), near: prefs.String(prefNear) != prefOff, filters: keptFilters(prefs),
		ctx: ctx, stop: stop, unlist: func() {}, refused: map[picture.Reason]int{},
	}
}

// close ends what the presenter has begun, and waits for it. The runner of the jobs sees to a job.
func (p *presenter) close() {
	p.stop()
	p.inbox.close()
	p.work.Wait()
}

// setLibrary takes another dataset, nil for none.
func (p *presenter) setLibrary(l Library) {
	dir := ""
	if l != nil {
		dir = l.Dir()
	}
	same := dir == p.dir
	p.library, p.dir = l, dir
	if !same && p.stage != running {
		p.forget()
		p.stage = choosing
	}
	if p.service != nil {
		p.checkLabels() // The dataset may have others.
	}
	if p.path != "" && p.stage == choosing {
		p.list(p.path) // Its labels may be others.
	}
	p.changed()
}

// forget drops what the last run brought.
func (p *presenter) forget() {
	p.photos, p.refusals, p.refused, p.outcome = nil, nil, map[picture.Reason]int{}, outcome{}
	for _, r := range p.rows {
		r.result, r.part, r.exhausted = source.Counts{}, false, false
	}
}

// useService chooses a service by its index, or -1 for files of the user's own.
func (p *presenter) useService(i int) {
	if p.stage != choosing || i < 0 && p.service == nil || i >= 0 && p.service == &p.services[i] {
		return
	}
	p.turnTo(i)
	if i >= 0 && len(p.rows) == 0 {
		p.addKeyword()
		return
	}
	p.changed()
}

// turnTo is useService without what it shows.
func (p *presenter) turnTo(i int) {
	p.endListing()
	p.forget()
	if p.service == nil || i < 0 { // From one service to another, the keywords stay.
		p.rows = nil
	}
	p.path, p.local, p.listing, p.listErr = "", nil, false, nil
	p.service, p.licenses = nil, nil
	before, now := serviceSide, defaultSide
	if i >= 0 {
		before, now = defaultSide, serviceSide
		p.service = &p.services[i]
		p.licenses = p.allowed()
	}
	if p.minSide == before || p.keptSide { // Nobody has changed it in this session.
		p.minSide, p.sideText = now, strconv.Itoa(now)
	}
	p.keptSide = false
	p.findKey()
}

// findKey looks beside whether the key is there that the service needs.
func (p *presenter) findKey() {
	p.searches++
	if p.service == nil || p.service.FindKey == nil {
		p.noKey = false
		return
	}
	number, find := p.searches, p.service.FindKey
	p.work.Go(func() {
		err := find(p.ctx)
		p.dispatch(func() {
			if number != p.searches || p.ctx.Err() != nil {
				return
			}
			p.noKey = errors.Is(err, secret.ErrNone)
			p.changed()
		})
	})
}

// Names of the preferences. That of licences ends in the kind of the service.
const (
	prefNear     = "collect.near"
	prefLicenses = "collect.licenses."
	prefOn       = "on"
	prefOff      = "off"
)

// setNear says whether photos are left out that look like one that is there.
func (p *presenter) setNear(yes bool) {
	p.near = yes
	p.prefs.SetString(prefNear, map[bool]string{true: prefOn, false: prefOff}[yes])
	p.changed()
}

// words gives each word of a text once. Where there are commas, also Japanese ones, they are what is between words, so that one
// may be a phrase; otherwise spaces are.
func words(text string) []string {
	const commas = ",;、，；\n"
	between := unicode.IsSpace
	if strings.ContainsAny(text, commas) {
		between = func(r rune) bool { return strings.ContainsRune(commas, r) }
	}
	var all []string
	for _, word := range strings.FieldsFunc(text, between) {
		if word = strings.Join(strings.Fields(word), " "); word != "" && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}

// allowed gives the licences that were allowed the last time, or those that a source asks for by itself.
func (p *presenter) allowed() []source.Terms {
	free := source.FreeTerms()
	if kept, err := source.ParseTerms(p.prefs.String(prefLicenses + p.service.Kind)); err == nil && len(kept) > 0 {
		free = kept
	}
	return p.inOrder(free)
}

// inOrder gives those of the service's licences that are in a list.
func (p *presenter) inOrder(list []source.Terms) []source.Terms {
	var all []source.Terms
	for _, l := range p.service.Licenses {
		if slices.Contains(list, l) {
			all = append(all, l)
		}
	}
	return all
}

// allow allows or forbids a licence.
func (p *presenter) allow(license source.Terms, yes bool) {
	list := slices.DeleteFunc(slices.Clone(p.licenses), func(l source.Terms) bool { return l == license })
	if yes {
		list = append(list, license)
	}
	p.licenses = p.inOrder(list)
	var names []string
	for _, l := range p.licenses {
		names = append(names, string(l))
	}
	p.prefs.SetString(prefLicenses+p.service.Kind, strings.Join(names, ","))
	p.changed()
}

// addKeyword adds a row for a service.
func (p *presenter) addKeyword() {
	p.rows = append(p.rows, &row{count: defaultCount, countText: strconv.Itoa(defaultCount), available: -1, on: true, labelFault: labelMissing})
	p.changed()
}

// removeRow takes a row away.
func (p *presenter) removeRow(i int) {
	p.rows = slices.Delete(p.rows, i, i+1)
	p.changed()
}

// setKeyword changes the keyword of a service's row. The label follows it until its user gives it one.
func (p *presenter) setKeyword(i int, keyword string) {
	r := p.rows[i]
	follows := r.label == source.Label(r.keyword)
	r.keyword = keyword
	if follows {
		p.setLabel(i, source.Label(keyword))
		return
	}
	p.changed()
}

func (p *presenter) setLabel(i int, label string) {
	p.rows[i].label = strings.TrimSpace(label)
	p.rows[i].labelFault = checkLabel(p.library, p.rows[i].label)
	p.changed()
}

// setCount takes the number of photos of a row as it was typed; nothing is all.
func (p *presenter) setCount(i int, text string) {
	r := p.rows[i]
	r.countText = text
	r.count = 0
	if text = strings.TrimSpace(norm.NFKC.String(text)); text != "" { // Digits of a Japanese keyboard are digits, too.
		n, err := strconv.Atoi(text)
		r.count = n
		if err != nil || n < 1 {
			r.count = -1
		}
	}
	p.changed()
}

func (p *presenter) setOn(i int, on bool) {
	p.rows[i].on = on
	p.changed()
}

func (p *presenter) setAllOn(on bool) {
	for _, r := range p.rows {
		r.on = on
	}
	p.changed()
}

// setMinSide takes the least side as it was typed; nothing is any.
func (p *presenter) setMinSide(text string) {
	p.sideText, p.minSide, p.keptSide = text, 0, false
	if text = strings.TrimSpace(norm.NFKC.String(text)); text != "" {
		n, err := strconv.Atoi(text)
		p.minSide = n
		if err != nil || n < 0 || n > maxSide {
			p.minSide = -1
		}
	}
	p.changed()
}

// checkLabels looks anew at the labels of all rows.
func (p *presenter) checkLabels() {
	for _, r := range p.rows {
		r.labelFault = checkLabel(p.library, r.label)
	}
}

// checkLabel says what is wrong with a label.
func checkLabel(l Library, label string) fault {
	if label == "" {
		return labelMissing
	}
	if l == nil || slices.ContainsFunc(l.Labels(), func(c curate.LabelCount) bool { return c.Name == label }) {
		return noFault
	}
	err := l.CheckLabel(label)
	switch {
	case errors.Is(err, dataset.ErrLabelClash):
		return labelClash
	case err != nil:
		return labelBad
	}
	return noFault
}

// fold gives the same for two labels that a file system may take for one.
func fold(label string) string { return strings.ToLower(norm.NFC.String(label)) }

// blocker says why collecting cannot start, and in which row, -1 for none of them.
func (p *presenter) blocker() (int, fault) {
	switch {
	case p.noKey:
		return -1, keyMissing
	case p.service != nil && len(p.service.Licenses) > 0 && len(p.licenses) == 0:
		return -1, noLicense
	case p.minSide < 0:
		return -1, sideBad
	}
	chosen, labels, keywords := false, map[string]string{}, map[string]bool{}
	for i, r := range p.rows {
		if !r.on {
			continue
		}
		chosen = true
		if p.service != nil {
			k := strings.ToLower(strings.TrimSpace(r.keyword))
			switch {
			case k == "":
				return i, keywordMissing
			case utf8.RuneCountInString(k) > maxKeyword:
				return i, keywordLong
			case keywords[k]:
				return i, keywordTwice
			}
			keywords[k] = true
		}
		if f := r.fault(); f != noFault {
			return i, f
		}
		if other, ok := labels[fold(r.label)]; ok && other != r.label {
			return i, labelClash
		}
		labels[fold(r.label)] = r.label
	}
	if !chosen {
		return -1, nothingChosen
	}
	return -1, noFault
}

// ready reports whether start would do something.
func (p *presenter) ready() bool {
	_, f := p.blocker()
	return p.library != nil && p.stage == choosing && !p.listing && f == noFault
}

// choose lists the folder, archive or list of addresses at a path, unless a run is under way.
func (p *presenter) choose(path string) bool {
	if p.stage == running {
		return false
	}
	if p.stage == finished {
		p.again()
	}
	if p.service != nil {
		p.useService(-1)
	}
	p.list(path)
	return true
}

// errOwn says that the photos are those of the dataset itself.
var errOwn = errors.New("the folder is the dataset itself or a part of it")

// endListing ends the listing that may be going on: nobody waits for it any more.
func (p *presenter) endListing() {
	p.unlist()
	p.listings++
}

// list lists a folder, an archive or a list of addresses beside.
func (p *presenter) list(path string) {
	p.endListing()
	ctx, cancel := context.WithCancel(p.ctx)
	p.unlist = cancel
	number, library, dir, log := p.listings, p.library, p.dir, p.log
	p.path, p.local, p.rows, p.listing, p.listErr = path, nil, nil, true, nil
	p.work.Go(func() {
		defer cancel()
		local, rows, err := look(ctx, path, dir, library, log)
		p.dispatch(func() {
			if number != p.listings || p.ctx.Err() != nil {
				return
			}
			p.listing, p.local, p.rows, p.listErr = false, local, rows, err
			p.listKey = listSentence(path, err)
			if err != nil && !errors.Is(err, context.Canceled) {
				p.log.Info("a source cannot be listed", "error", err)
			}
			p.changed()
		})
	})
	p.changed()
}

// errNoPhotos says that there is nothing to collect.
var errNoPhotos = errors.New("no photos were found")

// openLocal opens the list of addresses, the folder or the archive at a path.
func openLocal(path string, log *slog.Logger) (source.Local, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() && source.IsList(path) {
		list := source.NewAddresses(path)
		list.Web.Log = log
		return list, nil
	}
	return source.Open(path)
}

// look opens and lists what lies at a path.
func look(ctx context.Context, path, dir string, l Library, log *slog.Logger) (source.Local, []*row, error) {
	local, err := openLocal(path, log)
	if _, list := local.(*source.Addresses); !list && dir != "" && within(dir, path) {
		return nil, nil, fmt.Errorf("%s: %w", path, errOwn)
	}
	if err != nil {
		return nil, nil, err
	}
	found, err := local.Contents(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(found) == 0 {
		return nil, nil, fmt.Errorf("%s: %w", path, errNoPhotos)
	}
	existing := map[string]string{}
	if l != nil {
		for _, c := range l.Labels() {
			existing[fold(c.Name)] = c.Name
		}
	}
	rows := make([]*row, len(found))
	for i, f := range found {
		label := source.Label(f.Name)
		if name, ok := existing[fold(label)]; ok {
			label = name
		}
		rows[i] = &row{keyword: f.Name, label: label, available: f.Photos, on: true, labelFault: checkLabel(l, label)}
	}
	return local, rows, nil
}

// within reports whether path is the folder dir or lies in it.
func within(dir, path string) bool {
	resolve := func(p string) string {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		if target, err := filepath.EvalSymlinks(p); err == nil {
			p = target
		}
		return p
	}
	below, err := filepath.Rel(resolve(dir), resolve(path))
	return err == nil && filepath.IsLocal(below)
}

func listSentence(path string, err error) string {
	switch {
	case err == nil:
		return ""
	case source.IsList(path):
		return "addresses"
	case errors.Is(err, errOwn):
		return "own"
	case errors.Is(err, errNoPhotos):
		return "none"
	case errors.Is(err, source.ErrArchive):
		return "archive"
	}
	return "failed"
}

// start begins to collect.
func (p *presenter) start() {
	if !p.ready() {
		return
	}
	p.forget()
	if p.service != nil {
		p.keepSearch()
	}
	var requests []source.Request
	var shares []share
	p.order = nil
	for i, r := range p.rows {
		if r.on {
			r.part = true
			p.order = append(p.order, i)
			requests = append(requests, source.Request{Keyword: r.keyword, Label: r.label, Count: r.count})
			shares = append(shares, share{wanted: r.wanted(), final: r.final()})
		}
	}
	var open func(context.Context) (source.Source, error)
	if local := p.local; p.service == nil {
		open = func(context.Context) (source.Source, error) { return local, nil }
	} else {
		service, wanted := p.service, p.wanted()
		open = func(ctx context.Context) (source.Source, error) { return service.Open(ctx, wanted) }
	}
	r := &run{
		inbox: &p.inbox, tell: func() { p.dispatch(p.drain) }, library: p.library, dir: p.dir, open: open,
		requests: requests, minSide: p.minSide, near: p.near, progress: progress{shares: shares, inTurn: p.service != nil}, log: p.log,
	}
	p.stage, p.stopping, p.ranIn = running, false, p.dir
	p.inbox.begin(len(requests))
	if err := p.jobs.Start(kind, r.do); err != nil {
		p.stage = choosing
		p.failed("busy", err)
	}
	p.changed()
}

// halt asks the run to stop, or ends listing.
func (p *presenter) halt() {
	if p.listing {
		p.endListing()
		p.listing, p.path = false, ""
		p.changed()
	}
	if p.stage == running && !p.stopping {
		p.stopping = true
		p.jobs.Cancel()
		p.changed()
	}
}

// again goes back to the choice, which is as it was.
func (p *presenter) again() {
	if p.stage == finished {
		p.stage = choosing
		if p.path != "" && (p.local == nil || p.ranIn != p.dir) {
			p.list(p.path)
		}
		p.changed()
	}
}

// drain takes over what the run has put into the inbox.
func (p *presenter) drain() {
	news := p.inbox.take()
	if p.ctx.Err() != nil {
		return
	}
	p.photos = firsts(news.photos, p.photos, keptPhotos)
	p.refusals = firsts(news.refusals, p.refusals, keptRefusals)
	p.compared, p.pause = news.compared, news.pause
	for reason, n := range news.reasons {
		p.refused[reason] += n
	}
	for request, c := range news.counts {
		if request < len(p.order) {
			p.rows[p.order[request]].result = c
		}
	}
	if counts := news.counts; p.service != nil && len(counts) > 0 { // A service is asked for one keyword after the other.
		for _, i := range p.order[:min(slices.Max(slices.Collect(maps.Keys(counts))), len(p.order))] {
			r := p.rows[i]
			r.exhausted = r.count > 0 && here(r.result) < r.count
		}
	}
	if ended := news.ended; ended != nil && p.stage == running {
		p.stage, p.outcome = finished, *ended
		for _, s := range ended.short {
			p.rows[p.order[s.request]].exhausted = true
		}
		if err := ended.err; err != nil && !errors.Is(err, context.Canceled) {
			p.failed(sentence(err), err)
		}
	}
	p.changed()
}

// firsts gives the last ones of fresh, turned round, and then those of old, at most so many.
func firsts[T any](fresh, old []T, most int) []T {
	all := make([]T, 0, min(len(fresh)+len(old), most))
	for i := len(fresh) - 1; i >= 0 && len(all) < most; i-- {
		all = append(all, fresh[i])
	}
	return append(all, old[:min(len(old), most-len(all))]...)
}

// sentence gives the end of the key of the sentence about an error of a run.
func sentence(err error) string {
	var (
		flickr  *source.FlickrError
		service *source.ServiceError
	)
	switch {
	case errors.Is(err, source.ErrNoKey), errors.Is(err, secret.ErrNone):
		return "key.none"
	case errors.Is(err, ErrKeyUnread):
		return "key.unread"
	case errors.As(err, &flickr):
		return flickrSentence(flickr.Code)
	case errors.As(err, &service):
		return serviceSentence(service)
	case errors.Is(err, syscall.ENOSPC):
		return "full"
	case errors.Is(err, curate.ErrReadOnly), errors.Is(err, fs.ErrPermission):
		return "readonly"
	case errors.Is(err, curate.ErrClosed):
		return "closed"
	case errors.Is(err, dataset.ErrLabelName), errors.Is(err, dataset.ErrLabelClash):
		return "label"
	case errors.Is(err, source.ErrArchive):
		return "archive"
	case errors.Is(err, job.ErrBusy):
		return "busy"
	}
	return "other"
}

// aboutKey reports whether a sentence has the settings for its way out.
func aboutKey(sentence string) bool { return strings.HasPrefix(sentence, "key.") }

// flickrSentence is sentence for what Flickr answered with. Its code 0 comes without an explanation when it is overloaded,
// and 201, which is nowhere documented, too.
func flickrSentence(code int) string {
	const unexplained, overloaded = 0, 201
	switch code {
	case source.CodeInvalidKey:
		return "key.refused"
	case source.CodeInvalidSignature, source.CodeMissingSignature:
		return "key.secret"
	case unexplained, source.CodeSearchDown, source.CodeUnavailable, source.CodeWriteFailed, overloaded:
		return "flickr.later"
	}
	return "flickr.search"
}

// serviceSentence is sentence for a service that cannot be used.
func serviceSentence(e *source.ServiceError) string {
	switch {
	case e.Status == http.StatusTooManyRequests && e.RetryAfter > 0:
		return "service.wait"
	case e.Status == http.StatusTooManyRequests:
		return "service.limit"
	case e.Status >= http.StatusInternalServerError, e.Status == http.StatusRequestTimeout:
		return "service.trouble"
	case e.Status >= http.StatusBadRequest:
		return "service.refused"
	}
	return "service.unreachable"
}
