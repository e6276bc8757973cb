package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"kaika/core/classify"
	"kaika/core/trained"
)

// entry is a model with its versions.
type entry struct {
	name     string
	added    bool      // By Activate, not by Serve.
	dirs     []string  // That Serve was given.
	versions []version // In the order of their numbers.
	active   int       // 0 if there is none.
	before   []int     // Versions that were active before, the latest at the end.
	last     int       // The highest number that was ever given.
}

// version is a version of a model.
type version struct {
	number int
	dir    string
	graph  string // SHA-256 of its graph; "" if it was never opened.
	added  bool   // By Activate, not by Serve.

	model  *Model // As it was loaded last; nil if it never was.
	loaded bool
	err    error // Of the last try to load it.
}

// loading says what is being opened.
type loading struct {
	version int
	dir     string
}

// maxVersions is how many versions of a model are listed at most, and maxBefore how far one can roll back.
const (
	maxVersions = 100
	maxBefore   = 20
)

// entry gives the model of a name, nil if there is none.
func (m *Models) entry(name string) *entry {
	i := slices.IndexFunc(m.entries, func(e *entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return m.entries[i]
}

// version gives the version of a number, nil if there is none.
func (e *entry) version(number int) *version {
	i := slices.IndexFunc(e.versions, func(v version) bool { return v.number == number })
	if i < 0 {
		return nil
	}
	return &e.versions[i]
}

// in gives the version that was found last in a folder, nil if there is none.
func (e *entry) in(dir string) *version {
	for i, v := range slices.Backward(e.versions) {
		if v.dir == dir {
			return &e.versions[i]
		}
	}
	return nil
}

// target is the version to roll back to: the one that was active before, or else the next lower one. 0 is none.
func (e *entry) target() int {
	if len(e.before) > 0 {
		return e.before[len(e.before)-1]
	}
	for _, v := range slices.Backward(e.versions) {
		if v.number < e.active {
			return v.number
		}
	}
	return 0
}

// clone gives a copy that can be changed.
func (e *entry) clone() *entry {
	c := *e
	c.versions, c.before = slices.Clone(e.versions), slices.Clone(e.before)
	return &c
}

// add lists a version.
func (e *entry) add(v version) {
	i, _ := slices.BinarySearchFunc(e.versions, v, func(a, b version) int { return a.number - b.number })
	e.versions = slices.Insert(e.versions, i, v)
	e.last = max(e.last, v.number)
}

// activate makes a loaded version the active one. The one that was is what one rolls back to, unless one does so just now.
func (e *entry) activate(number int, back bool) {
	switch {
	case number == e.active:
	case back && len(e.before) > 0:
		e.before = e.before[:len(e.before)-1]
	case !back && e.active != 0:
		e.before = append(e.before, e.active)
	}
	e.active = number
	for len(e.before) > 0 && e.before[len(e.before)-1] == number { // There, one would stay where one is.
		e.before = e.before[:len(e.before)-1]
	}
	e.before = e.before[max(0, len(e.before)-maxBefore):]
	for i := range e.versions {
		v := &e.versions[i]
		v.loaded = v.loaded && (v.number == e.active || v.number == e.target())
	}
	for i := 0; len(e.versions) > maxVersions; {
		if n := e.versions[i].number; n == e.active || n == e.target() || slices.Contains(e.before, n) {
			i++
			continue
		}
		e.versions = slices.Delete(e.versions, i, i+1)
	}
}

// status tells about the model.
func (e *entry) status(opening loading) Status {
	s := Status{Name: e.name, Active: e.active, Before: e.target()}
	for _, v := range e.versions {
		to := VersionStatus{Version: v.number, Dir: v.dir, State: StateEnd, Err: v.err}
		if v.model != nil {
			to.Labels, to.Created = slices.Clone(v.model.Labels), v.model.Created
		}
		switch {
		case v.loaded:
			to.State = StateAvailable
			if v.model.lost.Load() {
				to.Err = ErrGone
			}
		case v.number == opening.version:
			to.State = StateLoading
		case v.model != nil && v.model.users.Load() > 0:
			to.State = StateUnloading
		}
		s.Versions = append(s.Versions, to)
	}
	if opening.version != 0 && e.version(opening.version) == nil {
		s.Versions = append(s.Versions, VersionStatus{Version: opening.version, Dir: opening.dir, State: StateLoading})
	}
	return s
}

// change waits until no other change is made. The change ends with the function that it gives.
func (m *Models) change(ctx context.Context) (func(), error) {
	if err := m.begin(); err != nil {
		return nil, err
	}
	select {
	case m.changing <- struct{}{}:
		if ctx.Err() == nil {
			return func() { <-m.changing; m.work.Done() }, nil
		}
		<-m.changing // Both were ready.
	case <-ctx.Done():
	}
	m.work.Done()
	return nil, ctx.Err()
}

// Serve begins to serve a model by its folders. A folder holds a model, or folders named by numbers, which hold one each
// and are its versions (the layout of TensorFlow Serving). A model folder has the number that it had before by State, or
// the next.
//
// The active version is the one that State says; but a version above it that State does not know yet is newer than the choice
// there, so the highest of those comes first. If it cannot be loaded, one that can be is taken, and the log is warned. It is
// an error only if there is none: then the model is listed, and waits for [Models.Activate].
func (m *Models) Serve(ctx context.Context, name string, dirs ...string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	done, err := m.change(ctx)
	if err != nil {
		return err
	}
	defer done()
	if m.entry(name) != nil {
		return fmt.Errorf("two models are to be served as %q: give one of them another name", name)
	}
	was := m.record(name)
	e := &entry{name: name, last: was.Last, dirs: dirs}
	e.restore(was)
	fresh, err := m.find(e, was, dirs)
	if err != nil {
		return err
	}
	return m.first(ctx, e, was, fresh)
}

// Rescan looks for versions that came into the folders of [Models.Serve] since, under numbers above the active one. The highest
// that can be loaded becomes the active version, as by [Models.Activate]. One that cannot be changes nothing and is tried
// again by the next Rescan: it may have been copied by half. The errors of all such are joined.
func (m *Models) Rescan(ctx context.Context) error {
	done, err := m.change(ctx)
	if err != nil {
		return err
	}
	defer done()
	var failed []error
	for _, e := range slices.Clone(m.entries) {
		failed = append(failed, m.renew(ctx, e))
	}
	return errors.Join(failed...)
}

// renew makes the highest new version of a model the active one, if there is one that can be loaded.
func (m *Models) renew(ctx context.Context, e *entry) error {
	var failed []error
	found := e.found()
	slices.SortFunc(found, func(a, b version) int { return b.number - a.number })
	for _, v := range found {
		if v.number <= e.active {
			break
		}
		if old := e.version(v.number); old != nil {
			if old.dir != v.dir {
				m.config.Log.Warn("a version of a model is left out, because another has the same number: give its folder a higher one",
					"model", e.name, "version", v.number, "folder", v.dir, "other", old.dir)
			}
			if old.dir != v.dir || old.err == nil || old.model != nil {
				continue // It is known, and who serves another chose that.
			}
		}
		model, err := m.load(ctx, e, v)
		if err == nil {
			err = m.swap(ctx, e, v, model, false)
		}
		if err == nil || ctx.Err() != nil {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, err)
		e = m.entry(e.name)
	}
	return errors.Join(failed...)
}

// found gives the numbered versions that are in the folders of Serve now.
func (e *entry) found() []version {
	var all []version
	for _, dir := range e.dirs {
		if dir, err := filepath.Abs(dir); err == nil {
			all = append(all, numbered(dir)...)
		}
	}
	return all
}

// Remove takes a model that [Models.Activate] has added out of service and forgets its versions. Requests in hand get their
// answers, and its folders stay. The error is ErrNoModel, or ErrGiven for a model of [Models.Serve].
func (m *Models) Remove(ctx context.Context, name string) error {
	done, err := m.change(ctx)
	if err != nil {
		return err
	}
	defer done()
	e := m.entry(name)
	switch {
	case e == nil:
		return fmt.Errorf("%w: %q", ErrNoModel, name)
	case !e.added:
		return fmt.Errorf("%w: %q", ErrGiven, name)
	}
	records := slices.DeleteFunc(slices.Clone(m.records), func(r record) bool { return r.Name == name })
	if err := m.write(records); err != nil {
		return fmt.Errorf("the model %q is not removed, because that could not be remembered: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = slices.DeleteFunc(slices.Clone(m.entries), func(old *entry) bool { return old.name == name })
	m.config.Log.Info("a model is no longer served", "model", name)
	return nil
}

// Restore serves the models of State that [Models.Activate] has added and [Models.Serve] did not name: it is called after
// those, and again for those that had no version that could be loaded. The errors of all such are joined.
func (m *Models) Restore(ctx context.Context) error {
	done, err := m.change(ctx)
	if err != nil {
		return err
	}
	defer done()
	var failed []error
	for _, was := range m.records {
		if there := m.entry(was.Name); !was.Added || there != nil && (there.active != 0 || !there.added) {
			continue
		}
		e := &entry{name: was.Name, added: true, last: was.Last}
		e.restore(was)
		if err := m.first(ctx, e, was, nil); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// restore lists the versions that Activate has added.
func (e *entry) restore(was record) {
	for _, v := range was.Versions {
		if v.Added {
			e.add(version{number: v.Version, dir: v.Dir, graph: v.Graph, added: true})
		}
	}
}

// find lists the versions in folders, and gives those that State does not know and that are above the active one, as for
// [Models.Rescan]: those below it were passed over. A number in the name of a folder weighs more than one that was given.
func (m *Models) find(e *entry, was record, dirs []string) (fresh []int, err error) {
	var single []string
	for _, dir := range dirs {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("finding the model %q: %w", e.name, err)
		}
		numbered := numbered(dir)
		if len(numbered) == 0 {
			single = append(single, dir)
		}
		for _, v := range numbered {
			if old := e.version(v.number); old != nil {
				m.config.Log.Warn("a version of a model is left out, because another has the same number",
					"model", e.name, "version", v.number, "folder", old.dir, "other", v.dir)
				*old = v
			} else {
				e.add(v)
			}
			if was.number(v.dir) != v.number && v.number > was.Active {
				fresh = append(fresh, v.number)
			}
		}
	}
	for _, dir := range single {
		if e.in(dir) != nil {
			continue
		}
		v := version{number: was.number(dir), dir: dir}
		if v.number == 0 || e.version(v.number) != nil {
			v.number = e.last + 1
			fresh = append(fresh, v.number)
		}
		e.add(v)
	}
	return fresh, nil
}

// maxNumber is the highest number of a version in a folder's name. Any program that reads JSON knows it exactly.
const maxNumber = 1<<53 - 1

// numbered gives the versions in a folder that holds folders named by numbers; none for a model folder, and for one that
// cannot be read: that is said when it is opened.
func numbered(dir string) []version {
	if _, err := os.Stat(filepath.Join(dir, trained.ModelFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []version
	for _, entry := range entries {
		number, err := strconv.ParseInt(entry.Name(), 10, 64)
		if err != nil || number < 1 || number > maxNumber || entry.Name()[0] == '+' {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if info, err := os.Stat(path); err != nil || !info.IsDir() { // A link may lead to one.
			continue
		}
		all = append(all, version{number: int(number), dir: path})
	}
	return all
}

// first makes the first version that can be loaded the active one: the newest that State does not know, the one that it
// names, those before it, and the others from the highest. It lists the model in any case.
func (m *Models) first(ctx context.Context, e *entry, was record, fresh []int) error {
	for _, n := range was.Before {
		if e.version(n) != nil {
			e.before = append(e.before, n)
		}
	}
	m.put(e)
	slices.SortFunc(fresh, func(a, b int) int { return b - a })
	order := append(slices.Clone(fresh), was.Active)
	for _, n := range slices.Backward(e.before) {
		order = append(order, n)
	}
	for _, v := range slices.Backward(e.versions) {
		order = append(order, v.number)
	}
	if was.Active != 0 && e.version(was.Active) == nil {
		m.config.Log.Warn("the version of a model that was active is no longer there", "model", e.name, "version", was.Active)
	}
	var failed []error
	tried := map[int]bool{}
	for _, number := range order {
		v := e.version(number)
		if v == nil || tried[number] {
			continue
		}
		tried[number] = true
		model, err := m.load(ctx, e, *v)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, classify.ErrUnavailable) { // The version is not to blame.
				return err
			}
			m.config.Log.Warn("a version of a model cannot be used", "model", e.name, "version", number, "error", err)
			failed = append(failed, err)
			e = m.entry(e.name)
			continue
		}
		next := e.clone()
		if slices.Contains(fresh, number) && e.version(was.Active) != nil {
			next.active = was.Active
		} else if i := slices.Index(next.before, number); i >= 0 {
			next.before = next.before[:i]
		}
		next.version(number).take(model)
		next.activate(number, false)
		if len(failed) == 0 { // What is used only for want of another is not what was chosen.
			if err := m.remember(next); err != nil {
				m.config.Log.Warn("which version of a model is active is not remembered", "model", e.name, "error", err)
			}
		}
		m.put(next)
		m.config.Log.Info("a model is served", "model", e.name, "version", number, "folder", model.Dir)
		m.settle(ctx, next)
		return nil
	}
	if len(failed) == 0 {
		return fmt.Errorf("%w: there is none of the model %q", ErrNoVersion, e.name)
	}
	return errors.Join(failed...)
}

// take takes a model that was loaded.
func (v *version) take(model *Model) {
	v.model, v.graph, v.loaded, v.err = model, model.Graph.SHA256, true, nil
}

// load opens a version and checks it. An error is noted in the list.
func (m *Models) load(ctx context.Context, e *entry, v version) (*Model, error) {
	m.mu.Lock()
	m.loading[e.name] = loading{v.number, v.dir}
	m.mu.Unlock()
	c, err := m.config.Open(ctx, v.dir)
	if err == nil && v.graph != "" && v.graph != c.Graph.SHA256 {
		err = fmt.Errorf("%s holds another model now: activate it anew", v.dir)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.loading, e.name)
	if err == nil {
		return &Model{Name: e.name, Version: v.number, Classifier: c, models: m}, nil
	}
	if ctx.Err() == nil && e.version(v.number) != nil {
		next := e.clone()
		next.version(v.number).err = err
		m.replace(next)
	}
	return nil, fmt.Errorf("version %d of the model %q: %w", v.number, e.name, err)
}

// put lists a model, in the place of what was known of it.
func (m *Models) put(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replace(e)
}

// replace is put for who holds the lock.
func (m *Models) replace(e *entry) {
	if i := slices.IndexFunc(m.entries, func(old *entry) bool { return old.name == e.name }); i >= 0 {
		m.entries[i] = e
		return
	}
	m.entries = append(m.entries, e)
}

// settle loads the version that one would roll back to, if it can be: so requests for it are answered, and it shows early
// if it is broken.
func (m *Models) settle(ctx context.Context, e *entry) {
	v := e.version(e.target())
	if v == nil || v.loaded {
		return
	}
	model, err := m.load(ctx, e, *v)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		m.config.Log.Warn("the version before the active one cannot be used", "model", e.name, "version", v.number, "error", err)
		return
	}
	next := e.clone()
	next.version(v.number).take(model)
	m.put(next)
}

// Activate opens the model in a folder, checks it, and makes it the active version of a model, which is added if there is
// none of that name. Until then, and if anything fails, the version that was active stays so; no request has to wait. It
// gives the number of the version: the next, or that which the same model in the same folder already has.
func (m *Models) Activate(ctx context.Context, name, dir string) (int, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, fmt.Errorf("finding the model: %w", err)
	}
	done, err := m.change(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	e := m.entry(name)
	if e == nil {
		e = &entry{name: name, added: true, last: m.record(name).Last}
	}
	v := version{number: e.last + 1, dir: dir, added: true}
	old := e.in(dir)
	if old != nil {
		v.number = old.number
	}
	model, err := m.load(ctx, e, v)
	if err != nil {
		return 0, err
	}
	if old != nil {
		if old.graph != "" && old.graph != model.Graph.SHA256 { // Another model was put into the folder.
			v.number = e.last + 1
			model.Version = v.number
		} else {
			v.added = old.added
		}
	}
	if err := m.swap(ctx, e, v, model, false); err != nil {
		return 0, err
	}
	return v.number, nil
}

// RollBack makes that version active which was so before, or else the next lower one, and gives its number. It is checked
// like any other. Doing so again goes back further. The error is ErrNoModel, or ErrNoVersion if there is none.
func (m *Models) RollBack(ctx context.Context, name string) (int, error) {
	done, err := m.change(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	e := m.entry(name)
	if e == nil {
		return 0, fmt.Errorf("%w: %q", ErrNoModel, name)
	}
	v := e.version(e.target())
	if v == nil {
		return 0, fmt.Errorf("%w: none of %q was active before", ErrNoVersion, name)
	}
	if err := m.choose(ctx, e, *v, true); err != nil {
		return 0, err
	}
	return v.number, nil
}

// Select makes a listed version the active one, or one that has come into the folders of [Models.Serve], after it was checked.
// The error is ErrNoModel or ErrNoVersion if there is
// none such.
func (m *Models) Select(ctx context.Context, name string, number int) error {
	done, err := m.change(ctx)
	if err != nil {
		return err
	}
	defer done()
	e := m.entry(name)
	if e == nil {
		return fmt.Errorf("%w: %q", ErrNoModel, name)
	}
	if v := e.version(number); v != nil {
		return m.choose(ctx, e, *v, false)
	}
	found := e.found()
	i := slices.IndexFunc(found, func(v version) bool { return v.number == number })
	if i < 0 {
		return fmt.Errorf("%w: %d of %q", ErrNoVersion, number, name)
	}
	return m.choose(ctx, e, found[i], false)
}

// choose loads a listed version and makes it the active one.
func (m *Models) choose(ctx context.Context, e *entry, v version, back bool) error {
	model, err := m.load(ctx, e, v)
	if err != nil {
		return err
	}
	return m.swap(ctx, e, v, model, back)
}

// swap makes a loaded version the active one, from one request to the next. If that cannot be remembered, nothing changes.
func (m *Models) swap(ctx context.Context, e *entry, v version, model *Model, back bool) error {
	next := e.clone()
	if next.version(v.number) == nil {
		next.add(v)
	}
	next.version(v.number).take(model)
	next.activate(v.number, back)
	if err := m.remember(next); err != nil {
		return fmt.Errorf("version %d of the model %q is not made the active one, because that could not be remembered: %w", v.number, e.name, err)
	}
	m.put(next)
	m.config.Log.Info("a version of a model was activated", "model", e.name, "version", v.number, "before", e.active, "folder", v.dir)
	m.settle(ctx, next)
	return nil
}
