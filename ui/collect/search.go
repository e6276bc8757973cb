package collect

import (
	"encoding/json"
	"slices"
	"strconv"
)

// prefSearch is the name of the preference that holds the last search of a service, as JSON of a search.
const prefSearch = "collect.search"

// maxKept is how many keywords of a kept search are taken up again at most.
const maxKept = 1000

// A search is what a service was asked for. It is kept, so that a run that ended with the window can go on in the next one.
type search struct {
	Dir     string    `json:"dir"`     // The dataset's folder.
	Service string    `json:"service"` // Its kind.
	Side    int       `json:"side"`    // The least side of a photo, in pixels; 0 for any.
	Rows    []keyword `json:"keywords"`
}

// A keyword is a row of a search.
type keyword struct {
	Keyword string `json:"keyword"`
	Label   string `json:"label"`
	Count   int    `json:"count"` // 0 for all.
	On      bool   `json:"on"`
}

// keepSearch keeps the search as it stands.
func (p *presenter) keepSearch() {
	s := search{Dir: p.dir, Service: p.service.Kind, Side: p.minSide}
	for _, r := range p.rows {
		s.Rows = append(s.Rows, keyword{r.keyword, r.label, r.count, r.on})
	}
	data, err := json.Marshal(s)
	if err != nil {
		p.log.Warn("keeping the search", "error", err)
		return
	}
	p.prefs.SetString(prefSearch, string(data))
}

// recallSearch takes up the search of the last session for the dataset, where nothing has been chosen yet. It does so once a
// dataset: who turned to the files of the own machine since is left there.
func (p *presenter) recallSearch() {
	if p.library == nil || p.recalled == p.dir {
		return
	}
	p.recalled = p.dir
	if p.stage != choosing || p.service != nil || p.path != "" || len(p.rows) > 0 {
		return
	}
	var s search
	if json.Unmarshal([]byte(p.prefs.String(prefSearch)), &s) != nil || s.Dir != p.dir || len(s.Rows) == 0 || len(s.Rows) > maxKept {
		return
	}
	i := slices.IndexFunc(p.services, func(one Service) bool { return one.Kind == s.Service })
	if i < 0 {
		return
	}
	p.turnTo(i)
	for _, k := range s.Rows {
		r := &row{keyword: k.Keyword, label: k.Label, count: k.Count, available: -1, on: k.On}
		if r.count < 0 {
			r.count = defaultCount
		}
		if r.count > 0 {
			r.countText = strconv.Itoa(r.count)
		}
		p.rows = append(p.rows, r)
	}
	p.checkLabels()
	if s.Side >= 0 && s.Side <= maxSide {
		p.minSide, p.sideText, p.keptSide = s.Side, strconv.Itoa(s.Side), true
	}
	p.changed()
}
