package chart

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CSV writes series side by side as RFC 4180 has it: a line of names, the first of them that of the steps, then a line for each step that any
// series has. What a series has no finite value for is an empty cell. Names that a spreadsheet would run as a formula begin with an
// apostrophe instead.
func CSV(w io.Writer, steps string, series []Series) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	record := make([]string, 1+len(series))
	record[0] = harmless(steps)
	all := make([]Series, len(series))
	for i, s := range series {
		all[i] = s.ordered()
		record[1+i] = harmless(s.Name)
	}
	if err := out.Write(record); err != nil {
		return fmt.Errorf("writing the curves: %w", err)
	}
	next := make([]int, len(all)) // The first point of each series that is not written.
	for {
		step := math.Inf(1)
		for i, s := range all {
			if next[i] < len(s.X) {
				step = min(step, s.X[next[i]])
			}
		}
		if math.IsInf(step, 1) {
			break
		}
		record[0] = strconv.FormatFloat(step, 'f', -1, 64)
		for i, s := range all {
			record[1+i] = ""
			// One point a line: a step that was gone through twice gets two.
			if at := next[i]; at < len(s.X) && s.X[at] == step {
				if finite(s.Y[at]) {
					record[1+i] = strconv.FormatFloat(s.Y[at], 'g', -1, 64)
				}
				next[i]++
			}
		}
		if err := out.Write(record); err != nil {
			return fmt.Errorf("writing the curves: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the curves: %w", err)
	}
	return nil
}

// harmless gives a cell of text that no spreadsheet takes for a formula.
func harmless(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if first, _ := utf8.DecodeRuneInString(text); text != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + text
	}
	return text
}
