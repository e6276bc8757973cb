package collect_test

import (
	"reflect"
	"testing"

	"kaika/core/collect"
	"kaika/core/collect/collecttest"
	"kaika/core/curate"
	"kaika/core/secret"
)

// TestServices collects from each of the services by what the table says of it, and asks it about a photo.
func TestServices(t *testing.T) {
	server := newServer(collecttest.Photos("rose", 20, 96)...)
	base := collecttest.Start(t, server)
	endpoints := map[string]string{"flickr": collecttest.FlickrPath, "openverse": collecttest.OpenversePath}
	for _, s := range collect.Services() {
		t.Run(s.Kind, func(t *testing.T) {
			if same, ok := collect.ServiceOf(s.Kind); !ok || same.Name != s.Name {
				t.Errorf("by its kind it is %+v, %v", same, ok)
			}
			access := collect.Access{
				Key: secret.New(testKey), Secret: secret.New(testSecret), Endpoint: base + endpoints[s.Kind], ImageHosts: []string{hostOf(base)},
				Web: collect.Web{Clock: newClock().clock(), Transport: transport()},
			}
			lib := newLibrary(t)
			source := s.Source(collect.Wanted{Licenses: s.Licenses, ExcludeTags: []string{"tag3"}}, access)
			report, err := (&collect.Collector{Library: lib, Source: source}).Run(t.Context(), requests(5)[:1])
			if err != nil || report.Results[0].Landed != 5 || source.Name() != s.Name {
				t.Fatalf("%s: %+v, %v", source.Name(), report, err)
			}
			var photo curate.Photo
			for _, photo = range lib.Photos(allPhotos) {
				if photo.Source.Kind != s.Kind || photo.Source.Title == `A "rose", no. 3` {
					t.Errorf("landed %+v", photo.Source)
				}
			}
			if standing, err := s.Checker(access).Check(t.Context(), photo.Source); err != nil || standing.Gone || standing.Differs(photo.Source) {
				t.Errorf("now it is %+v, %v", standing, err)
			}
		})
	}
	if s, ok := collect.ServiceOf("folder"); ok || !reflect.ValueOf(s).IsZero() {
		t.Errorf("a folder is the service %+v", s)
	}
}
