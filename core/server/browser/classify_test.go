package browser

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// looks are the ways in which each page is looked at.
var looks = []struct {
	name string
	visit
}{
	{"en-light", visit{}},
	{"ja-dark", visit{language: "ja", dark: true}},
	{"en-dark-phone", visit{dark: true, width: 390, height: 844, phone: true}},
	{"ja-light-phone", visit{language: "ja", width: 390, height: 844, phone: true}},
}

// choose gives files to an entry as the browser's dialog does.
func (p *tab) choose(selector string, files ...string) {
	p.t.Helper()
	p.do(chromedp.SetUploadFiles(chromedp.CSS(selector), files, chromedp.NodeReady))
}

// settled waits until a number of photos has its answers.
func (p *tab) settled(photos int) {
	p.t.Helper()
	p.await(fmt.Sprintf("document.querySelectorAll('.result').length === %d && !document.querySelector('.waiting, .sending')", photos))
}

// says waits until the page says how far it is in certain words, as it does with the next frame.
func (p *tab) says(words string) {
	p.t.Helper()
	p.await(fmt.Sprintf(`document.getElementById("status").textContent.replaceAll("\u00a0", " ") === %q`, words))
}

func TestChoose(t *testing.T) {
	s := newSite(t, nil, "flowers")
	rose, certain, nearly, unknown, notes := photos(t)
	p := open(t, visit{}, s.url)
	p.await("document.documentElement.classList.contains('scripted')")
	p.choose("#file", rose, certain, nearly, unknown, notes)
	p.settled(5)
	for i, want := range []string{
		"a rose.jpg|rose|99.96 %", "向日葵.jpg|sunflower|100.00 %", "tulip & <i>co.jpg|tulip|> 99.99 %", "something else.jpg|lily of the valley|30.00 %",
	} {
		at := fmt.Sprintf(".result:nth-child(%d) ", i+1)
		got := p.text(at+".file") + "|" + p.text(at+".answer > .labels li:first-child .label") + "|" + p.text(at+".answer > .labels li:first-child .share")
		if got != want {
			t.Errorf("photo %d: %s, want %s", i, got, want)
		}
	}
	if got := p.text(".result:nth-child(4) .doubt"); got != "None of the labels fits well. Perhaps this is something else." {
		t.Errorf("of what is unknown it says %q", got)
	}
	if got := value[int](p, "[...document.querySelectorAll('.doubt')].filter((e) => e.checkVisibility()).length"); got != 1 {
		t.Errorf("%d photos are unknown", got)
	}
	if got := p.text(".result:nth-child(5) .problem"); !regexp.MustCompile(`not a (photo|picture)`).MatchString(got) {
		t.Errorf("of what is no photo it says %q", got)
	}
	p.says("Classified 4 photos. No answer for 1 photo.")
	p.await("document.getElementById('told').textContent === document.getElementById('status').textContent")
	if got := value[string](p, "[...document.querySelectorAll('.result:nth-child(1) .more .label')].map((e) => e.textContent).join()"); len(strings.Split(got, ",")) != 2 {
		t.Errorf("further labels: %s", got)
	}
	if got := value[[]float64](p, "[...document.querySelectorAll('.result:nth-child(1) .fill')].map((e) => e.width.baseVal.value)"); len(got) != 7 || got[0] < 99.9 || got[1] > 1 {
		t.Errorf("the bars are %v wide", got)
	}
	if got := value[int](p, "[...document.querySelectorAll('.photo img')].filter((i) => i.complete && i.naturalWidth > 0).length"); got != 4 {
		t.Errorf("%d photos can be seen, want 4", got)
	}
	p.accessible("answers")

	// A single one is told in full, in front of the others.
	p.choose("#file", rose)
	p.settled(6)
	p.do(chromedp.Click(chromedp.CSS("#clear")))
	p.await("document.querySelectorAll('.result').length === 0 && document.getElementById('work').hidden")
	if got := value[string](p, "document.activeElement.id"); got != "file" {
		t.Errorf("after clearing, the focus is on %q", got)
	}
	p.choose("#file", rose)
	p.settled(1)
	p.says("a rose.jpg: rose, 99.96 %.")
}

func TestLooks(t *testing.T) {
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			s := newSite(t, nil, "flowers")
			rose, certain, _, unknown, notes := photos(t)
			p := open(t, look.visit, s.url)
			p.await("document.documentElement.classList.contains('scripted')")
			p.accessible("the empty page")
			p.keep(look.name + "-start")
			p.choose("#file", rose)
			p.settled(1)
			p.accessible("one answer")
			p.keep(look.name + "-one")
			p.choose("#file", certain, unknown, notes)
			p.settled(4)
			p.do(chromedp.Click(chromedp.CSS(".about summary")))
			p.accessible("answers")
			p.keep(look.name + "-several")
		})
	}
}

// drag moves what is dragged to a place on the page that is nothing's target.
func drag(kind input.DispatchDragEventType, data *input.DragData) chromedp.Action[chromedp.Void] {
	return command(input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 500, Y: 700, Data: data})
}

func TestDropAndPaste(t *testing.T) {
	s := newSite(t, nil, "flowers")
	rose, certain, _, _, _ := photos(t)
	p := open(t, visit{}, s.url)
	p.await("document.documentElement.classList.contains('scripted')")
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{rose, certain}, DragOperationsMask: 1}
	p.do(drag(input.DispatchDragEventTypeDragEnter, data), drag(input.DispatchDragEventTypeDragOver, data))
	p.await("document.querySelector('.over')")
	p.do(drag(input.DispatchDragEventTypeDrop, data)) // Beside the target: it would leave the page.
	p.settled(2)
	p.await("!document.querySelector('.over')")
	value[bool](p, `(async () => {
		const canvas = new OffscreenCanvas(360, 20);
		canvas.getContext("2d").fillRect(0, 0, 9, 9);
		const carried = new DataTransfer();
		carried.items.add(new File([await canvas.convertToBlob()], "from the clipboard.png", { type: "image/png" }));
		return document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }));
	})()`)
	p.settled(3)
	if got := p.text(".file"); got != "from the clipboard.png\na rose.jpg\n向日葵.jpg" {
		t.Errorf("there are %q", got)
	}
}

func TestCancel(t *testing.T) {
	s := newSite(t, nil, "flowers")
	release := s.engine.hold()
	defer release()
	rose, _, _, _, _ := photos(t)
	p := open(t, visit{failing: true}, s.url)
	p.await("document.documentElement.classList.contains('scripted')")
	files := make([]string, 12)
	for i := range files {
		files[i] = rose
	}
	p.choose("#file", files...)
	p.await("document.querySelectorAll('.sending').length === 4 && document.querySelectorAll('.waiting').length === 8")
	p.says("Classified 0 of 12 photos")
	p.accessible("while it works")
	p.do(chromedp.Click(chromedp.CSS("#cancel")))
	p.settled(12)
	p.says("No answer for 12 photos.")
	release()
	p.do(chromedp.Click(chromedp.CSS(".result:nth-child(3) .again button")))
	p.await("document.querySelectorAll('.result:nth-child(3) .fill').length === 7")
	if got := p.text(".result:nth-child(3) .problem"); got != "" {
		t.Errorf("it still says %q", got)
	}
}

func TestKeyboardAlone(t *testing.T) {
	s := newSite(t, nil, "flowers", "birds")
	rose, _, _, _, _ := photos(t)
	p := open(t, visit{}, s.url)
	p.await("document.documentElement.classList.contains('scripted')")
	var order []string
	for range 12 {
		p.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, value[string](p, "document.activeElement.id || document.activeElement.textContent.trim()"))
		if seen := value[bool](p, `(() => {
			const e = document.activeElement, visible = e.matches("#file, #camera") ? e.nextElementSibling : e;
			return e === document.body || getComputedStyle(visible).outlineStyle !== "none";
		})()`); !seen {
			t.Errorf("nobody sees that %q has the focus", order[len(order)-1])
		}
	}
	want := "Skip to the content|Kaika|Classify|Train|日本語|model|file|"
	if got := strings.Join(order, "|"); !strings.HasPrefix(got, want) {
		t.Errorf("the keyboard goes through %s", got)
	}
	p.choose("#file", rose)
	p.settled(1)
	p.do(chromedp.Focus(chromedp.CSS(".more summary")), chromedp.KeyEvent(kb.Enter))
	p.await("document.querySelector('.more').open")
}

// TestWithoutScript is the article's page: a form with the field file, answered by a page.
func TestWithoutScript(t *testing.T) {
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			s := newSite(t, nil, "flowers", "birds")
			rose, _, nearly, unknown, notes := photos(t)
			look.noScript = true
			p := open(t, look.visit, s.url)
			p.keep(look.name + "-plain-start")
			p.choose("#file", rose, nearly, unknown, notes)
			p.do(chromedp.Click(chromedp.CSS("#form button")), chromedp.WaitReady(chromedp.CSS(".result:nth-child(4)")))
			p.keep(look.name + "-plain")
			got := p.text(".result:nth-child(1), .result:nth-child(2) .share, .result .problem, .result .doubt")
			for _, want := range []string{"a rose.jpg", "99.96 %", "> 99.99 %"} {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in %s", want, got)
				}
			}
			if got := value[int](p, "[...document.querySelectorAll('.photo img')].filter((i) => i.src.startsWith('data:image/jpeg') && i.naturalWidth >= 360).length"); got != 3 {
				t.Errorf("%d photos can be seen in their size", got)
			}
			if wide := value[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
				t.Errorf("the page is %d pixels wider than the screen", wide)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			s := newSite(t, nil, "flowers")
			look.failing = true
			p := open(t, look.visit, s.url+"/nowhere")
			p.accessible("a page that is not there")
			p.keep(look.name + "-missing")
			if got := p.text("h1"); got != map[string]string{"": "There is nothing here", "ja": "ページが見つかりません"}[look.language] {
				t.Errorf("it says %q", got)
			}
			empty := newSite(t, nil)
			p = open(t, look.visit, empty.url)
			p.accessible("a server without models")
			p.keep(look.name + "-no-model")
		})
	}
}
