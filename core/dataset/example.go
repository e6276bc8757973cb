package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"kaika/core/fetch"
)

// ErrExamplePresent says that the folder already holds the whole example, so that there was nothing to do.
var ErrExamplePresent = errors.New("the example is already there")

// An Example is a dataset that its publisher offers as one archive. To take it from a mirror, change URL.
type Example struct {
	Name    string // what the user types; also the usual name of the folder
	About   string // what it is, in a sentence
	Licence string // the photos' licence; who took them stands in Credits
	URL     string
	Size    int64  // of the archive in bytes; 0 when unknown
	SHA256  string // of the archive in hexadecimal; empty when unknown
	Root    string // the folder in the archive that holds the label folders
	Credits string // the file in Root that names the photographers; it is kept in the dataset's folder
	Photos  int    // how many there are; 0 when unknown
}

// Examples returns the datasets to try, by name.
func Examples() []Example {
	return []Example{
		{
			Name:    "flower_photos",
			About:   "3,670 photos of five flowers from Flickr, collected for TensorFlow's tutorials: daisy, dandelion, roses, sunflowers, tulips.",
			Licence: "CC BY 2.0",
			URL:     "http://download.tensorflow.org/example_images/flower_photos.tgz",
			Size:    228_813_984,
			SHA256:  "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
			Root:    "flower_photos",
			Credits: "LICENSE.txt",
			Photos:  3670,
		},
	}
}

// ExampleNamed returns the example with that name.
func ExampleNamed(name string) (Example, error) {
	var names []string
	for _, e := range Examples() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Example{}, fmt.Errorf("there is no example named %q; there is %s", name, strings.Join(names, ", "))
}

// ExampleOptions say how FetchExample loads. CacheDir is required.
type ExampleOptions struct {
	CacheDir string                  // where the archive lies until it is unpacked
	Progress func(done, total int64) // bytes of the archive, as in fetch.Request; nil for none. At total the unpacking begins.
	Client   *http.Client            // nil for a plain one
}

// FetchExample downloads e and makes the folder dir out of it: its label folders, and its credits beside them. dir must be
// missing or empty and gets its content all at once; when it holds the whole example, the error is ErrExamplePresent, when it
// holds something else, it wraps fs.ErrExist. A download that was stopped goes on in the next call with the same CacheDir;
// the archive is removed when it is unpacked. The other errors are those of fetch.File and fetch.Unpack.
func FetchExample(ctx context.Context, e Example, dir string, o ExampleOptions) error {
	if err := e.fetch(ctx, dir, o); err != nil {
		return fmt.Errorf("fetch the example %s: %w", e.Name, err)
	}
	return nil
}

func (e Example) fetch(ctx context.Context, dir string, o ExampleOptions) error {
	if err := e.vacant(dir); err != nil {
		return err
	}
	archive := filepath.Join(o.CacheDir, e.Name+".archive")
	_, err := fetch.File(ctx, fetch.Request{
		URL: e.URL, Path: archive, SHA256: e.SHA256, Size: e.Size, MaxBytes: 4 << 30, Progress: o.Progress, Client: o.Client,
	})
	if err != nil {
		return err
	}
	err = fetch.Unpack(ctx, archive, dir, fetch.Limits{}, e.keep)
	if err != nil && !errors.Is(err, fetch.ErrArchive) {
		return err // the archive is good, and the next call needs it
	}
	if gone := os.Remove(archive); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("the archive is of no more use and can be deleted: %w", gone))
	}
	return err
}

// vacant checks before the download what Unpack would find out after it.
func (e Example) vacant(dir string) error {
	held, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(held) == 0:
		return nil
	case e.complete(os.DirFS(dir)):
		return fmt.Errorf("%s: %w", dir, ErrExamplePresent)
	}
	return fmt.Errorf("%s is not empty and does not hold the whole example; remove it or choose another folder: %w", dir, fs.ErrExist)
}

// complete says whether folder holds as many photos as the example, and its credits.
func (e Example) complete(folder fs.FS) bool {
	if _, err := fs.Stat(folder, e.Credits); err != nil {
		return false
	}
	files, err := fs.Glob(folder, "*/*")
	if err != nil {
		return false
	}
	photos := 0
	for _, name := range files {
		if _, ok := e.keep(e.Root + "/" + name); ok {
			photos++
		}
	}
	return photos > 0 && photos == e.Photos
}

// keep picks the photos in label folders and the credits out of the archive, and takes Root off their names.
func (e Example) keep(name string) (rename string, ok bool) {
	rest, ok := strings.CutPrefix(name, e.Root+"/")
	if !ok {
		return "", false
	}
	label, photo, labelled := strings.Cut(rest, "/")
	if !labelled {
		return rest, rest == e.Credits
	}
	return rest, !hidden(label) && !hidden(photo) && !strings.Contains(photo, "/")
}
