package server

import (
	"net/http"
	"strings"
)

// protected sets headers that hold browsers back, and refuses what a page of another site makes them send.
func (s *Server) protected(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, styleOf(r.URL.Path), &problem{
			status: http.StatusForbidden, code: "cross_site",
			sentence: "this was sent by a page of another site, and is refused. A proxy in between has to keep the Host header",
		})
	}))
	next = origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// With no-referrer, browsers would hide the origin of our own forms, too, which would then be taken for foreign ones.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // Handlers of what may be kept say so.
		if s.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000") // Of this name only: others may have no certificate.
		}
		next.ServeHTTP(w, r)
	})
}

// styleOf gives the form of errors for a path of which no route is known.
func styleOf(path string) style {
	switch {
	case path == "/healthz", path == "/readyz", path == "/metrics":
		return styleText
	case strings.HasPrefix(path, "/api/"):
		return styleAPI
	case strings.HasPrefix(path, "/v1/"):
		return styleServing
	}
	return stylePage
}

// found answers with the routes, and in the right form where none fits.
func (s *Server) found(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &probe{header: http.Header{}}
		h.ServeHTTP(probe, r)
		how := styleOf(r.URL.Path)
		p := notFound("not_found", "there is nothing at this address")
		if how == styleServing { // In TensorFlow Serving's words.
			p = badRequest("malformed", "Malformed request: "+r.Method+" "+shortened(r.URL.Path))
		} else if allowed := probe.header.Get("Allow"); allowed != "" {
			w.Header().Set("Allow", allowed)
			p = &problem{status: http.StatusMethodNotAllowed, code: "method", sentence: "this address takes " + allowed + " only"}
		}
		s.refuse(w, r, how, p)
	})
}

// A probe takes an answer's header, and nothing else.
type probe struct{ header http.Header }

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(int)             {}
