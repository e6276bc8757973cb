package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// kept is where pictures of the pages are put.
var kept = flag.String("kept", "", "folder for pictures of the pages; none are kept without one")

// patience is how long a page may take to become what a test waits for.
const patience = 30 * time.Second

// missing skips a test for want of a program, which a machine for tests has to have.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// chromium starts the browser, once for all tests.
var chromium = sync.OnceValues(func() (context.Context, error) {
	var path string
	for _, name := range []string{os.Getenv("KAIKA_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(cmp.Or(name, "chromium")); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, nil
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("headless", "new"), chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	browser, leave := chromedp.NewContext(allocator)
	stopBrowser = func() { leave(); stop() }
	return browser, chromedp.Do(browser)
})

var stopBrowser = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

// axe is the script that looks for what bars people; setup/axe.sh fetches it.
var axe = sync.OnceValues(func() (string, error) {
	script, err := os.ReadFile(cmp.Or(os.Getenv("KAIKA_AXE"), filepath.Join("..", "..", "..", "build", "tools", "axe", "axe.min.js")))
	return string(script), err
})

// visit is how somebody comes to a page.
type visit struct {
	language      string // Of the browser; English where it is empty.
	dark          bool
	width, height int64 // In CSS pixels; 1100 x 900 where they are 0.
	phone         bool  // A touch screen.
	noScript      bool
	forbidden     bool // Knows no password.
	failing       bool // Requests are expected to fail.
}

// tab is a page in the browser.
type tab struct {
	context.Context

	t *testing.T

	mu       sync.Mutex
	complain []string // Errors of scripts, and what the policy of the page refused.
	hosts    map[string]bool
}

// open opens a page of a site. At the end of the test the page must have asked no other host and have had no error.
func open(t *testing.T, v visit, address string) *tab {
	t.Helper()
	browser, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	if browser == nil {
		missing(t, "there is no Chromium: apt-get install chromium")
	}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	own := &tab{Context: ctx, t: t, hosts: map[string]bool{}}
	if err := chromedp.Listen(ctx, func(event any) { own.hear(event, v) }); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeTab()
		own.mu.Lock()
		defer own.mu.Unlock()
		if len(own.complain) > 0 && !v.failing {
			t.Errorf("the browser complains: %s", strings.Join(own.complain, "\n"))
		}
		delete(own.hosts, target.Host)
		if len(own.hosts) > 0 {
			t.Errorf("the page asked other hosts: %v", own.hosts)
		}
	})
	width, height := cmp.Or(v.width, 1100), cmp.Or(v.height, 900)
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	yes := true
	own.do(
		command(fetch.Enable, fetch.EnableParams{HandleAuthRequests: &yes}),
		command(cdplog.Enable, cdp.Empty{}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 1, Mobile: v.phone,
		}),
		command(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: v.phone}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
		command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
			Headers: network.Headers{"Accept-Language": cmp.Or(v.language, "en")},
		}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.noScript}),
		chromedp.Navigate(address),
	)
	return own
}

// command is a command of the browser's protocol as an action.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// hear notes what happens in the page, and knows the password where one is asked for.
func (p *tab) hear(event any, v visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain = append(p.complain, "exception: "+e.ExceptionDetails.Text+" "+describe(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		p.complain = append(p.complain, fmt.Sprintf("console: %s %v", e.Type, e.Args))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			p.complain = append(p.complain, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *fetch.EventRequestPaused:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && u.Scheme != "blob" {
			p.hosts[u.Host] = true
		}
		go func() {
			_ = chromedp.Do(p, command(fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID}))
		}() // It fails where the page is gone by now.
	case *fetch.EventAuthRequired:
		answer := &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: user, Password: password}
		if v.forbidden {
			answer = &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
		}
		go func() {
			_ = chromedp.Do(p, command(fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{RequestID: e.RequestID, AuthChallengeResponse: answer}))
		}()
	}
}

// do does things in the page.
func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// run does something in the page that gives a value.
func run[T any](p *tab, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// value gives the value of an expression of JavaScript, which may be a promise.
func value[T any](p *tab, expression string) T {
	p.t.Helper()
	return run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// await waits until an expression of JavaScript is true. What it asks for may not be there yet.
func (p *tab) await(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool]("(() => { try { return Boolean("+expression+") } catch { return false } })()", chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		p.t.Fatalf("waiting for %s: %v; the page says: %s", expression, err, value[string](p, "document.body.innerText"))
	}
}

// text gives what stands in the elements of a selector, line by line, with plain spaces.
func (p *tab) text(selector string) string {
	p.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.ReplaceAll(value[string](p, `[...document.querySelectorAll(`+string(quoted)+`)].map((e) => e.innerText.trim()).join("\n")`), "\u00a0", " ")
}

// accessible wants the page to bar nobody, as far as a script can tell.
func (p *tab) accessible(what string) {
	p.t.Helper()
	script, err := axe()
	if err != nil {
		missing(p.t, "there is no axe-core: setup/axe.sh fetches it")
	}
	p.do(chromedp.Evaluate[chromedp.Void](script))
	found := value[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then((r) =>
		r.violations.map((v) => v.id + ": " + v.help + "\n" + v.nodes.map((n) => "    " + n.html + "\n    " + n.failureSummary).join("\n")))`)
	for _, violation := range found {
		p.t.Errorf("%s: %s", what, violation)
	}
	if wide := value[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		p.t.Errorf("%s: the page is %d pixels wider than the screen", what, wide)
	}
}

// keep keeps a picture of the whole page.
func (p *tab) keep(name string) {
	p.t.Helper()
	if *kept == "" {
		return
	}
	write(p.t, run(p, chromedp.FullScreenshot(100)), *kept, "web-"+name+".png")
}

// describe tells where an exception comes from.
func describe(e *runtime.ExceptionDetails) string {
	if e.Exception == nil {
		return fmt.Sprintf("%s:%d", e.URL, e.LineNumber)
	}
	return fmt.Sprintf("%s (%s:%d)", e.Exception.Description, e.URL, e.LineNumber)
}
