package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/image/draw"

	"kaika/core/classify"
	"kaika/core/picture"
	"kaika/core/serve"
)

// What the page of answers shows at most. The script shows as much.
const (
	firstLabels = 5  // Of a photo, at once.
	mostLabels  = 20 // Of a photo, at all.
	previews    = 24 // Photos; the others have their answers alone.
	previewSide = 720
)

// classifyData is what the page is made of on which photos are classified.
type classifyData struct {
	*frame

	Models  []modelOnPage
	Action  string // Where the form is sent.
	Keeping string // Whether photos are kept, and for how long.
	Notice  string // What went wrong with a form.
	Results []resultOnPage
}

// modelOnPage is a model that may be used.
type modelOnPage struct {
	Name    string
	Version int
	Labels  []string
	Chosen  bool
}

// resultOnPage is a photo with its labels, the best first.
type resultOnPage struct {
	File          string
	Preview       template.URL // "" for none.
	Problem       string       // Why there are no labels.
	Unknown       bool
	First, Others []classify.Prediction
}

// Texts are those that the script needs.
func (d classifyData) Texts() map[string]json.RawMessage {
	return d.texts.forScript("live.", "photo.", "problem.text.")
}

// Blank is what the script fills in.
func (d classifyData) Blank() resultOnPage { return resultOnPage{} }

// BlankLabel is what the script fills in.
func (d classifyData) BlankLabel() classify.Prediction { return classify.Prediction{} }

// classifyPage shows the page on which photos are chosen.
func (s *Server) classifyPage(w http.ResponseWriter, r *http.Request) error {
	d, err := s.classifyData(r)
	if err != nil {
		return err
	}
	return d.write(w, http.StatusOK, "classify", d)
}

func (s *Server) classifyData(r *http.Request) (*classifyData, error) {
	f, err := frameFor(r, "/", "classify.page", "app.js")
	if err != nil {
		return nil, err
	}
	d := &classifyData{frame: f, Keeping: s.keeping(f.texts)}
	asked := f.query.Get("model")
	for _, m := range s.Models.List() {
		for _, v := range m.Versions {
			if v.Version == m.Active && v.State == serve.StateAvailable {
				d.Models = append(d.Models, modelOnPage{m.Name, v.Version, v.Labels, m.Name == asked})
			}
		}
	}
	query := url.Values{}
	if asked != "" {
		query.Set("model", asked)
	}
	if f.chosen {
		query.Set("lang", f.Language)
	}
	d.Action = (&url.URL{Path: "/", RawQuery: query.Encode()}).String()
	return d, nil
}

// keeping tells visitors whether their photos are kept, and for how long.
func (s *Server) keeping(t *texts) string {
	const day = 24 * time.Hour
	if s.Uploads == nil {
		return t.T("classify.not_kept")
	}
	age := s.Uploads.Limits().MaxAge
	if age == 0 {
		return t.T("classify.kept.long")
	}
	return t.N("classify.kept", int((age+day-1)/day))
}

// classifyForm answers to the page's form as it comes from a browser without scripts: with the same page, and the answers.
func (s *Server) classifyForm(w http.ResponseWriter, r *http.Request) error {
	d, err := s.classifyData(r)
	if err != nil {
		return err
	}
	model, err := s.modelOf(url.Values{"model": {d.query.Get("model")}})
	if err != nil {
		return err
	}
	photos, err := s.photosOf(r)
	defer photos.free()
	var wrong *problem
	if errors.As(err, &wrong) && wrong.code == nothingSent().code {
		d.Notice = d.texts.T("classify.nothing")
		return d.write(w, http.StatusBadRequest, "classify", d)
	}
	if err != nil {
		return err
	}
	answers, err := s.answers(r.Context(), model, photos)
	if err != nil {
		return err
	}
	s.keep(model, photos, answers)
	for i, a := range answers {
		result := resultOnPage{File: a.File, Unknown: a.Unknown}
		if a.Error != nil {
			result.Problem = d.problemOfPhoto(a)
		} else {
			result.First = a.Predictions[:min(firstLabels, len(a.Predictions))]
			result.Others = a.Predictions[len(result.First):min(mostLabels, len(a.Predictions))]
		}
		if photos.all[i].err == nil && i < previews {
			if result.Preview, err = s.preview(r.Context(), photos.all[i].picture); err != nil {
				return err
			}
		}
		d.Results = append(d.Results, result)
	}
	return d.write(w, http.StatusOK, "classify", d)
}

// problemOfPhoto says in the visitor's language why there is no answer for a photo.
func (d *classifyData) problemOfPhoto(a classify.Answer) string {
	if key := "photo." + string(a.Reason); a.Reason != "" && d.texts.Has(key) {
		return d.texts.T(key)
	}
	return d.texts.T("photo.other")
}

// preview makes a small picture of a photo that stands in the page itself, so that nothing has to be kept; "" for one that
// only the engine can decode. The error is that of ctx.
func (s *Server) preview(ctx context.Context, of picture.Encoded) (template.URL, error) {
	if err := s.parses.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("waiting to decode a photo: %w", err)
	}
	defer s.parses.Release(1)
	large, err := picture.Decode(of)
	if err != nil {
		return "", nil // The answer counts; that there is no picture of it is plain to see.
	}
	var small bytes.Buffer
	if err := jpeg.Encode(&small, shrink(large, previewSide), &jpeg.Options{Quality: 80}); err != nil {
		return "", fmt.Errorf("writing a preview: %w", err)
	}
	//nolint:gosec // It is a JPEG that was just made, in base64.
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small.Bytes())), nil
}

// shrink scales a picture down until it is at most so many pixels wide and high, on white.
func shrink(img image.Image, side int) image.Image {
	from := img.Bounds()
	scale := min(1, float64(side)/float64(max(from.Dx(), from.Dy())))
	size := func(scale float64) image.Rectangle {
		return image.Rect(0, 0, max(1, int(scale*float64(from.Dx())+.5)), max(1, int(scale*float64(from.Dy())+.5)))
	}
	if 4*scale < 1 { // To look at each pixel of a large photo takes longer than to decode it.
		rough := image.NewRGBA(size(4 * scale))
		draw.Draw(rough, rough.Rect, image.White, image.Point{}, draw.Src)
		draw.ApproxBiLinear.Scale(rough, rough.Rect, img, from, draw.Over, nil)
		img = rough
	}
	small := image.NewRGBA(size(scale))
	draw.Draw(small, small.Rect, image.White, image.Point{}, draw.Src)
	draw.BiLinear.Scale(small, small.Rect, img, img.Bounds(), draw.Over, nil)
	return small
}
