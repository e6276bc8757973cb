package collect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"

	"kaika/core/curate"
)

// An OpenverseChecker asks Openverse about photos that came from it. It is for one goroutine.
type OpenverseChecker struct {
	*Openverse

	present bool // Openverse has answered.
}

// openverseID is what Openverse's numbers of photos look like. It has no place for any others.
var openverseID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Check asks Openverse what it says of a photo, which is what it saw of it at its source last; its answers may be 30 days old.
// It knows no private photos. An error, such as that of the network, says nothing about the photo. Errors are as those of
// Search.
func (o *OpenverseChecker) Check(ctx context.Context, s curate.Source) (Standing, error) {
	if !openverseID.MatchString(s.ID) {
		return Standing{Unknown: true}, nil
	}
	o.pacing.Do(o.setPace)
	photo, err := askOpenverse(ctx, o.Openverse, s.ID+"/", "a question about a photo", func(p openversePhoto) bool { return p.ID == s.ID })
	var refused *ServiceError
	switch {
	case errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusGone):
		// A wrong address, or something on the way, would say so of all photos. Openverse itself answers other questions.
		if !o.present {
			err = o.ask(ctx)
		}
		if o.present {
			return Standing{Gone: true}, nil
		}
		return Standing{}, err
	case err != nil:
		return Standing{}, err
	}
	o.present = true
	license := openverseLicense(photo.License, photo.LicenseVersion, photo.LicenseURL)
	return Standing{License: license.Name, LicenseURL: license.URL}, nil
}

// ask asks for the list of Openverse's sources, which is always there.
func (o *OpenverseChecker) ask(ctx context.Context) error {
	type source struct {
		Name string `json:"source_name"`
	}
	_, err := askOpenverse(ctx, o.Openverse, "stats/", "a question about its sources", func(all []source) bool { return len(all) > 0 && all[0].Name != "" })
	o.present = err == nil
	if refused := (*ServiceError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		refused.Detail = "knows neither the photo nor its own sources, so nothing is taken for gone: check the network; if this stays so, Kaika needs an update"
	}
	return err
}

// askOpenverse gets what lies at a path below Openverse's images, and has good look whether it is that.
func askOpenverse[R any](ctx context.Context, o *Openverse, path, what string, good func(R) bool) (result R, err error) {
	base := o.Endpoint
	if base == "" {
		base = openverseEndpoint
	}
	address, err := webAddress(base)
	if err != nil {
		return result, &ServiceError{Service: "Openverse", Detail: "has an address that cannot be used: correct it"}
	}
	a, err := o.Web.get(ctx, query{
		service: "Openverse", address: address.JoinPath(path), accept: "application/json", maxBytes: openverseBody, pace: &o.calls,
		check: func(a answer) error {
			var whole R // Of what was read in a try that failed, nothing shall be left.
			err := json.Unmarshal(a.body, &whole)
			if err == nil && !good(whole) {
				err = errors.New("it is about something else")
			}
			if err != nil {
				return &passingError{error: unreadableAnswer("Openverse", what, err)}
			}
			result = whole
			return nil
		},
	})
	if errors.Is(err, errTooLong) {
		err = &ServiceError{Service: "Openverse", Detail: "sent an answer that is too long: run it again later"}
	}
	if err == nil {
		o.calls.set(openversePace(a.header))
	}
	return result, err
}
