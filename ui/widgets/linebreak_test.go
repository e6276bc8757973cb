package widgets

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// halves measures as a typewriter does: two for what is wide, else one.
func halves(s string) float32 {
	n := float32(0)
	for _, r := range s {
		n++
		if wide(r) {
			n++
		}
	}
	return n
}

func TestBreakLines(t *testing.T) {
	for _, c := range []struct {
		name  string
		text  string
		width float32
		want  string // Lines, divided by |.
	}{
		{"nothing", "", 10, ""},
		{"fits", "Open a folder", 20, "Open a folder"},
		{"words", "Open a folder of photos", 10, "Open a|folder of|photos"},
		{"as long as the line", "0123456789 abc", 10, "0123456789|abc"},
		{"own lines", "one\n\ntwo three", 5, "one||two|three"},
		{"longer than a line", "see /home/someone/photos", 8, "see|/home/so|meone/ph|otos"},
		{"anywhere in Japanese", "写真を集めます", 6, "写真を|集めま|す"},
		{"no full stop first", "写真です。次へ", 8, "写真で|す。次へ"},
		{"no comma first", "写真と、名前", 6, "写真|と、名|前"},
		{"several closing ones", "（写真です。）次へ", 10, "（写真で|す。）次へ"},
		{"no small kana first", "ちょっと待って", 6, "ちょっ|と待っ|て"},
		{"no long vowel first", "フォルダーを", 8, "フォル|ダーを"},
		{"no opening bracket last", "写真と「名前」", 8, "写真と|「名前」"},
		{"numbers", "写真は1,202枚です", 10, "写真は|1,202枚で|す"},
		{"a number with what it counts", "全部で20枚", 8, "全部で|20枚"},
		{"a share and its sign", "正解率99.96 %です", 10, "正解率|99.96 %で|す"},
		{"Latin words", "これはTensorFlowです", 12, "これは|TensorFlowで|す"},
		{"an ellipsis", "開いています…", 12, "開いていま|す…"},
		{"spaces of both kinds", "a  b　c", 3, "a|b|c"},
		{"narrower than a letter", "写真", 1, "写|真"},
		{"invalid bytes", "写\xff真", 2, "写|\ufffd|真"},
	} {
		got := breakLines(c.text, c.width, halves)
		if want := strings.Split(c.want, "|"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

// FuzzBreakLines wants every letter back in its order, and lines that are too long only where they must be.
func FuzzBreakLines(f *testing.F) {
	f.Add("写真を20枚（バラ、ユリ）集めます。Open the folder /a/b/c.", uint8(9))
	f.Add("\n\n。。。（（（", uint8(2))
	f.Fuzz(func(t *testing.T, text string, width uint8) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		letters := func(s string) string { return strings.Join(strings.Fields(s), "") }
		lines := breakLines(text, float32(width), halves)
		if got, want := letters(strings.Join(lines, "")), letters(text); got != want {
			t.Fatalf("%q came back as %q", want, got)
		}
		for _, line := range lines {
			if halves(line) > max(float32(width), 2) {
				t.Errorf("%q is wider than %d", line, width)
			}
		}
	})
}
