package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"kaika/core/classify"
)

// An ask is the JSON document of a call of TensorFlow Serving. It is read piece by piece, so that of many photos only one
// is there in base64.
type ask struct {
	server *Server
	ctx    context.Context //nolint:containedctx // It lives as long as the request.
	photos *sentPhotos

	column bool     // The tensors are given one by one ("inputs"), not row by row ("instances").
	keys   []string // Of each photo; "" if none is given.
}

// read reads a document whose photos are under one of the names, of which there has to be exactly one.
func (a *ask) read(body io.Reader, names ...string) error {
	source := &document{from: body, load: &a.photos.load}
	d := json.NewDecoder(source)
	source.decoder = d
	defer source.end()
	found := ""
	err := object(d, "the request", func(name string) error {
		switch {
		case slices.Contains(names, name) && found != "":
			return badRequest("json", fmt.Sprintf("Request has both %q and %q, or one of them twice", found, name))
		case slices.Contains(names, name):
			found = name
			switch name {
			case "examples":
				return array(d, name, func() error { return a.example(d) })
			case "inputs":
				a.column = true
				return a.columns(d)
			}
			return array(d, name, func() error { return a.instance(d) })
		case name == "signature_name":
			var signatureName *string
			if err := d.Decode(&signatureName); err != nil {
				return err
			}
			if signatureName != nil && *signatureName != "" && *signatureName != signature {
				return badRequest("signature", fmt.Sprintf("Serving signature name: %q not found in signature def", shortened(*signatureName)))
			}
			return nil
		}
		return skip(d)
	})
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = badRequest("json", "JSON Parse error: there is more after the document")
		}
	}
	switch {
	case err != nil:
		return jsonError(err)
	case found == "":
		return badRequest("json", `Missing "`+strings.Join(names, `" or "`)+`" in the request`)
	case len(a.photos.all) == 0:
		return badRequest("json", fmt.Sprintf("%q holds no photo", found))
	}
	return nil
}

// A document is what a decoder reads. The decoder holds what it has not handed out yet, in a buffer that grows by doubling, and
// hands out a copy: three bytes for each are taken from the budget until the document is read.
type document struct {
	from    io.Reader
	decoder *json.Decoder
	load    *load
	read    int64
	taken   int64
}

// Read implements io.Reader.
func (d *document) Read(p []byte) (int, error) {
	const copies = 3
	n, err := d.from.Read(p)
	d.read += int64(n)
	more := copies*(d.read-d.decoder.InputOffset()) - d.taken
	if more <= 0 {
		return n, err
	}
	if full := d.load.take(more); full != nil {
		return 0, full
	}
	d.taken += more
	return n, err
}

// end gives back what was taken.
func (d *document) end() {
	d.load.give(d.taken)
	d.taken = 0
}

// jsonError says what is wrong with a document, unless it is something else.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax), errors.As(err, &kind), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &problem{status: http.StatusBadRequest, code: "json", sentence: "JSON Parse error: " + shortened(err.Error())}
	}
	var p *problem
	var large *http.MaxBytesError
	if errors.As(err, &p) || errors.As(err, &large) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// The decoder has errors without a type, such as that of a colon where none may be.
	return &problem{status: http.StatusBadRequest, code: "json", sentence: "JSON Parse error: the document is damaged", err: err}
}

// object reads an object; member reads the value of each of its names.
func object(d *json.Decoder, what string, member func(name string) error) error {
	if err := open(d, '{', what+" must be a JSON object"); err != nil {
		return err
	}
	return members(d, member)
}

// members reads an object from behind its brace.
func members(d *json.Decoder, member func(name string) error) error {
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// array reads a list; each reads one element.
func array(d *json.Decoder, what string, each func() error) error {
	if err := open(d, '[', fmt.Sprintf("%q must be a list", what)); err != nil {
		return err
	}
	for d.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func open(d *json.Decoder, want json.Delim, otherwise string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return badRequest("json", otherwise)
	}
	return nil
}

// maxDepth is how deep a value of no interest may be nested. The decoder keeps eight bytes for each level, which nobody counts.
const maxDepth = 100

// skip reads a value of no interest.
func skip(d *json.Decoder) error {
	for depth := 0; ; {
		if depth > maxDepth {
			return badRequest("json", fmt.Sprintf("JSON Parse error: the document is nested deeper than %d levels", maxDepth))
		}
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// text is the value of a string tensor: a string, or {"b64": …} of any bytes.
func (a *ask) text(d *json.Decoder, what string) ([]byte, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case string:
		return []byte(t), nil
	case json.Delim:
		if t == '{' {
			return base64Of(d, what)
		}
	}
	return nil, badRequest("json", what+` must be a string or {"b64": "…"}`)
}

// base64Of reads the rest of {"b64": …}.
func base64Of(d *json.Decoder, what string) ([]byte, error) {
	var data []byte
	count := 0
	err := members(d, func(name string) error {
		if count++; name != "b64" || count > 1 {
			return badRequest("json", what+` must have the name "b64" and no other`)
		}
		var err error
		data, err = decoded(d, what)
		return err
	})
	if err == nil && count == 0 {
		err = badRequest("json", what+` must have the name "b64"`)
	}
	return data, err
}

// decoded reads a string in base64, with or without padding.
func decoded(d *json.Decoder, what string) ([]byte, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	encoded, ok := t.(string)
	if !ok {
		return nil, badRequest("json", what+` must be a string in base64`)
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "=\r\n"))
	if err != nil {
		return nil, badRequest("json", what+" is not in base64")
	}
	return data, nil
}

// add adds a photo with its key.
func (a *ask) add(data []byte, key string) error {
	if len(a.photos.all) >= a.server.Limits.Photos {
		return a.server.tooMany()
	}
	a.keys = append(a.keys, key)
	if err := a.photos.take(int64(len(data) + len(key))); err != nil { // Beside the document.
		return err
	}
	return a.server.addBytes(a.ctx, a.photos, "", data)
}

// instance reads one row: a photo as {"b64": …} or a string, or an object of the tensors' names.
func (a *ask) instance(d *json.Decoder) error {
	row := len(a.photos.all)
	photo := fmt.Sprintf("the photo of row %d", row)
	t, err := d.Token()
	if err != nil {
		return err
	}
	if s, ok := t.(string); ok {
		return a.add([]byte(s), "")
	}
	if t != json.Delim('{') {
		return badRequest("json", photo+` must be {"b64": "…"} or {"`+inputImage+`": {"b64": "…"}, "`+inputKey+`": "…"}`)
	}
	var data, key []byte
	seen := map[string]bool{}
	err = members(d, func(name string) (err error) {
		if seen[name] {
			return badRequest("json", fmt.Sprintf("row %d has %q twice", row, shortened(name)))
		}
		seen[name] = true
		switch name {
		case "b64":
			data, err = decoded(d, photo)
		case inputImage:
			data, err = a.text(d, photo)
		case inputKey:
			key, err = a.text(d, fmt.Sprintf("the key of row %d", row))
		default:
			err = unknownInput(name)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case seen["b64"] && len(seen) > 1:
		return badRequest("json", fmt.Sprintf(`row %d has "b64" beside other names`, row))
	case !seen["b64"] && !seen[inputImage]:
		return badRequest("json", fmt.Sprintf("Failed to process element: %d of 'instances' list. Missing named input: %s", row, inputImage))
	}
	return a.add(data, string(key))
}

func unknownInput(name string) *problem {
	return badRequest("json", fmt.Sprintf("Unexpected input %q: the model takes %q and %q", shortened(name), inputImage, inputKey))
}

// columns reads the tensors one by one: an object of their names, or the photos alone.
func (a *ask) columns(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	photo := func() error {
		data, err := a.text(d, "a photo")
		if err != nil {
			return err
		}
		return a.add(data, "")
	}
	// elements reads a list from behind its bracket.
	elements := func(each func() error) error {
		for d.More() {
			if err := each(); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	switch t {
	case json.Delim('['):
		return elements(photo)
	case json.Delim('{'):
	default:
		return badRequest("json", `"inputs" must be a list or an object`)
	}
	seen := map[string]bool{}
	var keys []string
	err = members(d, func(name string) error {
		if seen[name] {
			return badRequest("json", fmt.Sprintf("the input %q is there twice", shortened(name)))
		}
		seen[name] = true
		switch name {
		case "b64":
			data, err := decoded(d, "the photo")
			if err != nil {
				return err
			}
			return a.add(data, "")
		case inputImage:
			return array(d, name, photo)
		case inputKey:
			return array(d, name, func() error {
				key, err := a.text(d, "a key")
				if err == nil {
					err = a.photos.take(int64(len(key)))
				}
				if keys = append(keys, string(key)); len(keys) > a.server.Limits.Photos {
					return a.server.tooMany()
				}
				return err
			})
		}
		return unknownInput(name)
	})
	switch {
	case err != nil:
		return err
	case seen["b64"] && len(seen) > 1:
		return badRequest("json", `"inputs" has "b64" beside other names`)
	case seen[inputKey] && len(keys) != len(a.keys):
		return badRequest("json", fmt.Sprintf("%d keys were given for %d photos", len(keys), len(a.keys)))
	case seen[inputKey]:
		a.keys = keys
	}
	return nil
}

// example reads one of tensorflow.Example: the photo is its only feature with bytes.
func (a *ask) example(d *json.Decoder) error {
	row := len(a.photos.all)
	what := fmt.Sprintf("example %d", row)
	var data []byte
	found := 0
	err := object(d, what, func(string) error {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'):
			found++
			data, err = base64Of(d, what)
			return err
		case json.Delim('['):
			for d.More() {
				if err := skip(d); err != nil {
					return err
				}
			}
			_, err := d.Token()
			return err
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case found != 1:
		return badRequest("json", what+` must have one feature that is {"b64": "…"}, the photo`)
	}
	return a.add(data, "")
}

// A prediction is a row of an answer.
type prediction struct {
	Scores []float32 `json:"scores"` // In the order of the labels.
	Best   int       `json:"prediction"`
	Key    string    `json:"key"`
}

// answer gives the document that answers, in the form of the question.
func (a *ask) answer(labels []string, answers []classify.Answer) any {
	rows := make([]prediction, len(answers))
	for i, one := range answers {
		score := make(map[string]float32, len(labels))
		for _, p := range one.Predictions {
			score[p.Label] = p.Score
		}
		rows[i] = prediction{make([]float32, len(labels)), slices.Index(labels, one.Predictions[0].Label), a.keys[i]}
		for k, label := range labels {
			rows[i].Scores[k] = score[label]
		}
	}
	if !a.column {
		return map[string]any{"predictions": rows}
	}
	scores, best := make([][]float32, len(rows)), make([]int, len(rows))
	for i, row := range rows {
		scores[i], best[i] = row.Scores, row.Best
	}
	return map[string]any{"outputs": map[string]any{outputScores: scores, outputBest: best, outputKey: a.keys}}
}
