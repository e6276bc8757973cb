package browser

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"kaika/core/picture/picturetest"
	"kaika/core/server"
)

// withDatasets has a server keep a dataset that can be trained with.
func withDatasets(t *testing.T, name string) func(*server.Config) {
	t.Helper()
	dir := dataset(t, name)
	return func(c *server.Config) { c.Training.Datasets = dir }
}

// press presses a button.
func press(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
}

func TestTrain(t *testing.T) {
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			s := newSite(t, withDatasets(t, "spring flowers"), "flowers")
			p := open(t, look.visit, s.url+"/train")
			p.await("document.getElementById('dataset')?.value === 'spring flowers'")
			p.accessible("before a training")
			p.keep(look.name + "-train-start")

			p.do(chromedp.SetValue(chromedp.CSS("#steps"), "400"), press("#begin"))
			p.await("document.querySelector('#training:not([hidden])') && document.activeElement.id === 'training-title'")
			s.trainer.steps <- 150
			p.await("document.querySelector('#accuracy .plot .line.train').getAttribute('d').length > 200 && !document.getElementById('stop').hidden")
			p.await("document.querySelector('#accuracy .plot').ariaValueNow === '150'")
			p.accessible("while a training goes on")
			p.keep(look.name + "-train-progress")

			// The values are there for who has no pointer.
			p.do(chromedp.Focus(chromedp.CSS("#accuracy .plot")), chromedp.KeyEvent(kb.Home))
			p.await("document.querySelector('#accuracy .plot').ariaValueNow === '1'")
			p.do(chromedp.KeyEvent(kb.ArrowRight))
			p.await("document.querySelector('#accuracy .plot').ariaValueNow === '2'")
			point := pointAt(2)
			want := fmt.Sprintf("%.2f %%", 100*point.TrainAccuracy)
			if said := p.text("#accuracy .reading"); !strings.Contains(said, want) || !strings.Contains(said, fmt.Sprintf("%.2f %%", 100**point.ValidationAccuracy)) {
				t.Errorf("at step 2 it says %q, want %s in it", said, want)
			}

			close(s.trainer.steps)
			p.await("!document.getElementById('verdict').hidden && document.querySelector('[data-run]')")
			if said := p.text("#verdict"); !strings.Contains(said, "95.83 %") || !strings.Contains(said, "90.83 %") || !strings.Contains(said, "120") {
				t.Errorf("in the end it says %q", said)
			}
			// A run belongs to no model but that which is named as its dataset, unless somebody says so.
			if named := value[string](p, "document.querySelector('#runs input').value"); named != "spring flowers" {
				t.Errorf("it would be used as %q", named)
			}
			p.do(chromedp.SetValue(chromedp.CSS("#runs input"), "flowers"), press("[data-run]"))
			p.await("document.querySelector('#runs .tag') && document.querySelector('[data-rollback]')")
			p.accessible("after a training")
			p.keep(look.name + "-train-done")
			if m, err := s.models.Get("flowers", 0); err != nil || m.Version != 2 {
				t.Errorf("the model in use is %v, %v", m, err)
			}
			p.do(press("[data-rollback]"))
			p.await("document.querySelector('[data-run]') && !document.querySelector('#runs .tag')")
			if m, err := s.models.Get("flowers", 0); err != nil || m.Version != 1 {
				t.Errorf("the model in use is %v, %v", m, err)
			}
			if named := value[string](p, "document.querySelector('#runs input').value"); named != "flowers" {
				t.Errorf("it would be used again as %q", named)
			}
		})
	}
}

func TestStopAndCancelTraining(t *testing.T) {
	s := newSite(t, withDatasets(t, "flowers"), "flowers")
	p := open(t, visit{}, s.url+"/train")
	p.await("document.getElementById('dataset')?.value")
	p.do(press("#begin"))
	s.trainer.steps <- 20
	p.await("document.querySelector('#accuracy .plot').ariaValueNow === '20'")
	p.do(press("#stop"))
	p.await("!document.getElementById('verdict').hidden && document.querySelector('[data-run]')")
	if said := p.text("#runs th .quiet"); said != "flowers · efficientnet_lite0 · 20 steps" {
		t.Errorf("it was kept as %q", said)
	}

	p.do(press("#begin"))
	s.trainer.steps <- 5
	p.await("document.querySelector('#accuracy .plot').ariaValueNow === '5'")
	// Somebody else comes, and sees the same.
	other := open(t, visit{}, s.url+"/train")
	other.await("document.querySelector('#accuracy .plot').ariaValueNow === '5'")
	p.do(press("#cancel"))
	p.await("document.getElementById('phase').textContent === 'The training was cancelled. No model was made.'")
	other.await("document.getElementById('phase').textContent === 'The training was cancelled. No model was made.'")
	if n := value[int](p, "document.querySelectorAll('[data-run]').length"); n != 1 {
		t.Errorf("%d runs were kept, want the one that was stopped", n)
	}
}

// TestTrainingIsLost starts the server again while a training is followed: the page says so, and another can be begun.
func TestTrainingIsLost(t *testing.T) {
	s := newSite(t, withDatasets(t, "flowers"), "flowers")
	p := open(t, visit{failing: true}, s.url+"/train")
	p.await("document.getElementById('dataset')?.value")
	p.do(press("#begin"))
	s.trainer.steps <- 5
	p.await("document.querySelector('#accuracy .plot').ariaValueNow === '5' && document.getElementById('begin').disabled")
	s.forgets.Store(true)
	s.breakOff()
	p.await("document.getElementById('training').hidden && !document.getElementById('begin').disabled")
	if said := p.text("#notice"); !strings.Contains(said, "restarted") {
		t.Errorf("it says %q", said)
	}
}

func TestTrainingIsRefused(t *testing.T) {
	s := newSite(t, withDatasets(t, "flowers"), "flowers")
	p := open(t, visit{language: "ja", failing: true}, s.url+"/train")
	p.await("document.getElementById('dataset')?.value")
	p.do(chromedp.SetValue(chromedp.CSS("#architecture"), "efficientnet_lite2"), press("#begin"))
	p.await("!document.getElementById('notice').hidden")
	if said := p.text("#notice"); !strings.HasPrefix(said, "サーバーで処理できませんでした。") || !strings.Contains(said, "kaika models fetch") {
		t.Errorf("it says %q", said)
	}
	p.accessible("a refusal")
}

func TestUpload(t *testing.T) {
	s := newSite(t, nil, "flowers")
	rose, _, _, _, notes := photos(t)
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for class, label := range []string{"rose", "sunflower"} {
		for i := range 3 {
			data := picturetest.JPEG(class, i+50, 48, 36)
			if err := archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("garden/%s/%d.jpg", label, i), Mode: 0o600, Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	file := write(t, packed.Bytes(), t.TempDir(), "garden.tar")

	p := open(t, visit{}, s.url+"/train")
	p.await("document.documentElement.classList.contains('scripted')")
	if !value[bool](p, "document.getElementById('begin').disabled") {
		t.Error("one can train with nothing")
	}
	p.do(press("#upload summary"), chromedp.SendKeys(chromedp.CSS("#into"), "my garden"))
	p.accessible("the forms of uploads")
	p.choose("#tar", file)
	p.do(press("#archive button"))
	p.await("document.getElementById('upload-told').textContent")
	if said := p.text("#sending-status"); said != "Added 6 photos." {
		t.Errorf("it says %q", said)
	}
	p.await("document.getElementById('dataset').value === 'my garden' && !document.getElementById('begin').disabled")
	p.do(chromedp.SendKeys(chromedp.CSS("#label"), "rose"))
	p.choose("#files", rose, notes, rose)
	p.do(press("#photos button"))
	p.await("document.querySelectorAll('#refused li').length === 2")
	if said := p.text("#sending-status"); said != "Added 1 photo. Left out 2 files." {
		t.Errorf("it says %q", said)
	}
	if said := p.text("#refused"); !strings.Contains(said, " – This file is not a photo.") || !strings.Contains(said, "a rose.jpg – This photo is there already.") {
		t.Errorf("it says %q", said)
	}
	p.await(`document.querySelector("#datasets tbody tr").innerText.replace(/\s+/g, " ").trim() === "my garden 7 rose 4, sunflower 3"`)
	p.keep("upload")
}

// TestManyPoints has a chart of 4,000 steps be drawn in a few frames.
func TestManyPoints(t *testing.T) {
	s := newSite(t, withDatasets(t, "flowers"), "flowers")
	p := open(t, visit{}, s.url+"/train")
	p.await("document.getElementById('dataset')?.value")
	p.do(chromedp.SetValue(chromedp.CSS("#steps"), "4000"), press("#begin"))
	s.trainer.steps <- 3990
	p.await("Number(document.querySelector('#accuracy .plot').ariaValueNow) === 3990")
	worst := value[float64](p, `(async () => {
		const plot = document.querySelector("#accuracy .plot"), box = plot.getBoundingClientRect();
		const frame = () => new Promise(requestAnimationFrame);
		let worst = 0;
		for (let i = 0; i < 30; i++) {
			plot.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + 60 + 10 * i, clientY: box.top + 50 }));
			await frame();
			const began = performance.now();
			await new Promise((done) => setTimeout(done)); // After what the frame had to draw.
			worst = Math.max(worst, performance.now() - began);
		}
		return worst;
	})()`)
	t.Logf("the worst frame took %.1f ms", worst)
	if worst > 200 { // On a machine that does much else; alone it takes a few.
		t.Errorf("a frame takes %.1f ms", worst)
	}
	close(s.trainer.steps)
	p.await("!document.getElementById('verdict').hidden")
}

func TestTrainWithoutScript(t *testing.T) {
	s := newSite(t, withDatasets(t, "flowers"), "flowers")
	p := open(t, visit{noScript: true}, s.url+"/train")
	p.keep("train-plain")
	if said := p.text("noscript, #datasets, #runs"); !strings.Contains(said, "JavaScript") || !strings.Contains(said, "lilium 4") || !strings.Contains(said, "version 1") {
		t.Errorf("it says %q", said)
	}
	if n := value[int](p, "[...document.querySelectorAll('button, input, select')].filter((e) => e.checkVisibility()).length"); n != 0 {
		t.Errorf("%d things can be operated, and do nothing", n)
	}
}

// TestPassword has a browser without the password see a page that tells so.
func TestPassword(t *testing.T) {
	s := newSite(t, func(c *server.Config) { c.Local = false }, "flowers")
	p := open(t, visit{}, s.url)
	p.await("document.documentElement.classList.contains('scripted')")
	rose, _, _, _, _ := photos(t)
	p.choose("#file", rose)
	p.settled(1)
	if got := p.text(".share"); !strings.HasPrefix(got, "99.96 %") {
		t.Errorf("with the password it says %q", got)
	}
	for _, look := range looks[:2] {
		look.forbidden, look.failing = true, true
		p = open(t, look.visit, s.url+"/train")
		p.await("document.querySelector('h1')")
		p.accessible("without the password")
		p.keep(look.name + "-password")
		if got := p.text("h1"); got != map[string]string{"": "Please sign in", "ja": "ログインしてください"}[look.language] {
			t.Errorf("it says %q", got)
		}
	}
}
