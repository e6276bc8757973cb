package widgets

import (
	"strings"
	"unicode"
)

// Characters that no line begins with, and that none ends with (JIS X 4051, the strict rules). Latin punctuation needs no
// word here: it is part of the word that it stands at.
const (
	neverFirst = "、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〕〉》」』】〙〗〟’”｠»" +
		"ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ" +
		"‐–—〜～…‥％℃°′″〻)]},.!?:;%"
	neverLast = "（［｛〔〈《「『【〘〖〝‘“｟«([{$¥￥＄£#＃№"
)

// breakLines breaks a text into lines of at most a width, as measured. Words and numbers of Latin letters stay whole, and so
// does a number with what it counts; in Japanese a line ends anywhere but before what [neverFirst] lists and after what
// [neverLast] lists. What does not fit into a line by itself is broken where the line ends. It gives at least one line.
func breakLines(text string, width float32, measure func(string) float32) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line, taken := "", float32(0)
		for _, atom := range atoms(paragraph) {
			word := strings.TrimRightFunc(atom, unicode.IsSpace)
			if line != "" && taken+measure(word) > width {
				lines = append(lines, strings.TrimRightFunc(line, unicode.IsSpace))
				line, taken = "", 0
			}
			if whole := measure(atom); taken+whole <= width || measure(word) <= width {
				line, taken = line+atom, taken+whole
				continue
			}
			for _, r := range atom { // Longer than a line.
				wide := measure(string(r))
				if line != "" && taken+wide > width {
					lines = append(lines, line)
					line, taken = "", 0
				}
				line, taken = line+string(r), taken+wide
			}
		}
		lines = append(lines, strings.TrimRightFunc(line, unicode.IsSpace))
	}
	return lines
}

// atoms divides a line of text into what stays whole. Spaces belong to what they follow.
func atoms(text string) []string {
	var all []string
	runes := []rune(text)
	begin := 0
	for i := 1; i < len(runes); i++ {
		if breaks(runes, i) {
			all = append(all, string(runes[begin:i]))
			begin = i
		}
	}
	return append(all, string(runes[begin:]))
}

// breaks tells whether a line may end before a rune.
func breaks(text []rune, at int) bool {
	before, after := text[at-1], text[at]
	switch {
	case unicode.IsSpace(after) || strings.ContainsRune(neverFirst, after), strings.ContainsRune(neverLast, before):
		return false
	case unicode.IsSpace(before):
		return before != '\u00a0' && before != '\u202f'
	case unicode.IsDigit(before) && unicode.Is(unicode.Han, after): // As in "20枚".
		return false
	}
	return wide(before) || wide(after)
}

// wide tells whether a rune is of a script that is written without spaces.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) ||
		r >= '\u3000' && r <= '\u30ff' || r >= '\uff00' && r <= '\uff9f' || strings.ContainsRune("…‥—", r)
}
