package collect

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	source "kaika/core/collect"
	"kaika/core/picture"
	"kaika/ui/widgets"
)

// reasons are those that there are texts for.
var reasons = []picture.Reason{
	picture.Empty, picture.NotAPicture, picture.TooLarge, picture.TooManyPixels, picture.Truncated, picture.Damaged, picture.Unsupported, picture.Unreadable,
	source.Duplicate, source.Deleted, source.TooSmall, source.Link, source.Unsafe, source.Encrypted,
	source.NearDuplicate, source.Gone, source.Redirected, source.Unreachable, source.WrongLicense, source.Excluded,
}

// refusalTree lists what was refused below the reasons why.
type refusalTree struct {
	v       *view
	content *fyne.Container

	told   string // What the tree shows.
	tree   *widgets.Tree
	empty  fyne.CanvasObject
	way    *widgets.Text     // What to do about the refusal that is selected.
	detail *widget.Label     // What it says itself.
	scroll *container.Scroll // Holds both.

	order    []string            // The reasons, the most frequent first.
	children map[string][]string // Numbers of refusals by reason.
	byNumber map[string]refusal  // Those that are listed.
	counts   map[string]int      // By reason.
}

func newRefusalTree(v *view) *refusalTree {
	t := &refusalTree{v: v}
	t.tree = widgets.NewTree(t.below, func(id string) bool { return !strings.HasPrefix(id, "#") }, t.node, t.update)
	t.tree.OnSelected = t.selected
	t.way, t.detail = widgets.NewText(""), widget.NewLabel("")
	t.detail.Wrapping = fyne.TextWrapWord
	t.detail.Selectable = true
	t.scroll = container.NewVScroll(container.New(layout.NewCustomPaddedVBoxLayout(-closer), t.way, t.detail))
	t.scroll.SetMinSize(fyne.NewSize(0, 120))
	t.scroll.Hide()
	t.empty = widgets.Empty(theme.ConfirmIcon(), v.tx.T("collect.refused.none"), v.tx.T("collect.refused.none.text"))
	t.content = container.NewBorder(nil, t.scroll, nil, nil, container.NewStack(t.empty, t.tree))
	return t
}

// below gives the nodes below one: reasons below "", and numbers that begin with "#" below a reason.
func (t *refusalTree) below(id string) []string {
	if id == "" {
		return t.order
	}
	return t.children[id]
}

func (t *refusalTree) node(bool) fyne.CanvasObject {
	l := widget.NewLabel("")
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}

func (t *refusalTree) update(id string, branch bool, o fyne.CanvasObject) {
	l, ok := o.(*widget.Label)
	if !ok {
		return
	}
	l.TextStyle.Bold = branch
	switch {
	case branch:
		l.SetText(t.v.tx.T("collect.refused.reason", "Reason", t.v.tx.T("collect.reason."+t.key(id)), "Count", t.v.tx.Number(t.counts[id])))
	case strings.HasPrefix(id, "#more"):
		reason := strings.TrimPrefix(id, "#more ")
		l.SetText(t.v.tx.N("collect.refused.more", t.counts[reason]-len(t.children[reason])+1))
	default:
		l.SetText(tail(t.byNumber[id].name))
	}
}

// key gives the end of the key of a reason's texts.
func (t *refusalTree) key(reason string) string {
	if slices.Contains(reasons, picture.Reason(reason)) {
		return reason
	}
	return "other"
}

// selected shows all about a refusal, or opens a reason.
func (t *refusalTree) selected(id string) {
	t.tree.UnselectAll()
	if t.tree.IsBranch(id) {
		t.tree.ToggleBranch(id)
		return
	}
	if r, ok := t.byNumber[id]; ok {
		t.way.SetText(t.v.tx.T("collect.way." + t.key(string(r.reason))))
		t.detail.SetText(visible(r.text))
		t.scroll.Show()
		t.scroll.ScrollToTop()
		t.content.Refresh()
		t.scroll.Content.Refresh() // Texts have their height by their width.
	}
}

func (t *refusalTree) refresh() {
	p := t.v.p
	newest := 0
	if len(p.refusals) > 0 {
		newest = p.refusals[0].number
	}
	now := fmt.Sprint(newest, p.refused)
	if now == t.told {
		return
	}
	t.told = now
	t.counts, t.children, t.byNumber = map[string]int{}, map[string][]string{}, map[string]refusal{}
	for reason, n := range p.refused {
		t.counts[string(reason)] = n
	}
	for _, r := range p.refusals {
		id := "#" + strconv.Itoa(r.number)
		t.byNumber[id] = r
		t.children[string(r.reason)] = append(t.children[string(r.reason)], id)
	}
	for reason, n := range t.counts {
		if n > len(t.children[reason]) {
			t.children[reason] = append(t.children[reason], "#more "+reason)
		}
	}
	t.order = slices.SortedFunc(maps.Keys(t.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.counts[b], t.counts[a]), cmp.Compare(a, b))
	})
	show(t.empty, len(t.order) == 0)
	show(t.tree, len(t.order) > 0)
	if len(t.order) == 0 && t.scroll.Visible() {
		t.scroll.Hide()
		t.content.Refresh()
	}
	t.tree.Refresh()
}

// tail gives the end of a path, its file and the folder that it is in, as it can be shown.
func tail(path string) string {
	path = filepath.ToSlash(path)
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = visible(parts[i])
	}
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}
