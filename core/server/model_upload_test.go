package server

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kaika/core/serve"
)

// packedModel makes a tar of a model's folder, its files below a folder in it.
func packedModel(t *testing.T, dir, below string) []byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		content[below+f.Name()] = string(data)
	}
	return tarOf(t, content)
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLeftOfSentModels starts a server where another was killed while a model came.
func TestLeftOfSentModels(t *testing.T) {
	received := t.TempDir()
	kept := []string{".receiving-2", "flowers-20260101-000000-ABCDEFGH"}
	for name, age := range map[string]time.Duration{
		".receiving-1": leftOver + time.Hour, ".flowers-1-unpack-1": leftOver + time.Hour, kept[0]: time.Hour, kept[1]: 10 * leftOver,
	} {
		at := filepath.Join(received, name)
		if err := errors.Join(os.Mkdir(at, 0o700), os.Chtimes(at, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	newStand(t, func(c *Config, _ *serve.Config) { c.Received = received })
	entries, err := os.ReadDir(received)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, kept) {
		t.Errorf("there are %q, want %q", names, kept)
	}
}

// TestModelsAreSent sends models that were trained elsewhere: a sound one is served at once, of any other nothing stays.
func TestModelsAreSent(t *testing.T) {
	received := filepath.Join(t.TempDir(), "received")
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth, c.Received = auth, received })
	send := func(name string, body []byte, headers ...string) heard {
		if headers == nil {
			headers = []string{"Authorization", basic("me", "secret")}
		}
		return s.send("POST", "/api/v1/models/"+name+"/versions", "application/x-tar", bytes.NewReader(body), headers...)
	}
	dir := writeModel(t, filepath.Join(t.TempDir(), "model"))
	whole := packedModel(t, dir, "")
	there := func() int {
		entries, err := os.ReadDir(received)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return len(entries)
	}

	send("flowers", whole, "X-Other", "no password").is(401, "")
	if there() > 0 {
		t.Error("something was kept of who has no password")
	}
	if status := parsed[modelStatus](send("flowers", whole).is(200, "")); status.Active != 2 || status.Before != 1 {
		t.Errorf("%+v", status)
	}
	if status := parsed[modelStatus](send("birds", packedModel(t, dir, "flowers-model/")).is(200, "")); status.Name != "birds" || status.Active != 1 {
		t.Errorf("%+v", status)
	}
	sound := there()
	if sound != 2 {
		t.Errorf("two models were sent, %d lie there", sound)
	}

	broken := map[string]string{"model.json": "{", "retrained_graph.pb": "x", "retrained_labels.txt": "a\n"}
	for _, c := range []struct {
		what, name, code string
		body             []byte
		status           int
	}{
		{"a damaged model", "flowers", "model_refused", tarOf(t, broken), 422},
		{"no model", "flowers", "model_refused", tarOf(t, map[string]string{"a.txt": "hello"}), 422},
		{"half an archive", "flowers", "bad_archive", whole[:len(whole)/2], 422},
		{"no archive", "flowers", "bad_archive", []byte("hello"), 422},
		{"a way out of the folder", "flowers", "bad_archive", tarOf(t, map[string]string{"../../evil.pb": "x"}), 422},
		{"two models", "flowers", "bad_archive", tarOf(t, map[string]string{"a/model.json": "{}", "b/model.json": "{}"}), 422},
		{"nothing", "flowers", "no_archive", nil, 400},
		{"a bad name", ".x", "bad_name", whole, 400},
	} {
		t.Run(c.what, func(t *testing.T) {
			answer := send(c.name, c.body)
			answer.TB = t
			answer.is(c.status, c.code)
			if there() != sound {
				t.Error("something of it stays")
			}
		})
	}
	if m, err := s.server.Models.Get("flowers", 0); err != nil || m.Version != 2 {
		t.Errorf("afterwards version %d of flowers is active, %v", m.Version, err)
	}
}

// TestNoModelsAreSent asks a server that has no place for them.
func TestNoModelsAreSent(t *testing.T) {
	auth, _ := authOf(t, "me", "secret")
	s := newStand(t, func(c *Config, _ *serve.Config) { c.Auth = auth })
	s.send("POST", "/api/v1/models/flowers/versions", "", bytes.NewReader([]byte("x")), "Authorization", basic("me", "secret")).is(404, "no_models")
}
