package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kaika/core/secret"
)

const hidden = "0123456789abcdef0123456789abcdef"

func TestTextIsMaskedWhereverItIsPrinted(t *testing.T) {
	text := secret.New(" " + hidden + "\n")
	if text.Reveal() != hidden {
		t.Errorf("Reveal gave %q", text.Reveal())
	}
	inner := struct {
		c    secret.Credentials
		list []secret.Text
		by   map[string]secret.Text
		at   *secret.Text
	}{secret.Credentials{Key: text, Secret: text}, []secret.Text{text}, map[string]secret.Text{"a": text}, &text}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%08.3f", "%!"} {
		for _, value := range []any{text, &text, inner, &inner, inner.c, errors.New(text.String())} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "key", text, "pointer", &text, "all", inner.c, "inner", inner)
	}
	printed = append(printed, log.String())
	data, err := json.Marshal(map[secret.Text]any{text: []any{text, &text, inner.c}})
	if err != nil {
		t.Fatal(err)
	}
	printed = append(printed, string(data))
	for _, p := range printed {
		if strings.Contains(p, hidden[len(hidden)-3:]) || strings.Contains(p, hidden[:6]) || strings.Contains(p, fmt.Sprintf("%x", hidden[:6])) {
			t.Errorf("the text shows in %q", p)
		}
	}
	if got := text.String(); got != "…" {
		t.Errorf("the mask is %q", got)
	}
	if !strings.Contains(log.String(), "key=… ") || !strings.Contains(string(data), `"Key":"…"`) {
		t.Errorf("the mask is missing in %s and %s", log.String(), data)
	}
}

func TestHint(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "…", "abcdefghijk": "…", "abcdefghijkl": "…jkl", "花花花花花花花花花花花鍵": "…花花鍵"} {
		if got := secret.New(text).Hint(); got != want {
			t.Errorf("the hint of %q is %q, not %q", text, got, want)
		}
	}
	if !secret.New(" ").Empty() || secret.New("a").Empty() || !(secret.Text{}).Empty() {
		t.Error("Empty is wrong")
	}
}
