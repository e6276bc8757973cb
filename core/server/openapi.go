package server

import (
	"fmt"
	"net/http"

	"kaika/assets"
)

// openAPI describes the API for programs.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	document, err := assets.Web.ReadFile("web/openapi.json")
	if err != nil {
		return fmt.Errorf("reading the description of the API: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(document) // Who is gone does not need it.
	return nil
}
