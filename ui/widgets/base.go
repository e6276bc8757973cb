package widgets

import (
	"regexp"
	"slices"

	"kaika/ui/i18n"
)

// titled are the base models whose titles are in the texts, MobileNets without their input sizes.
var titled = []string{
	"efficientnet_lite0", "efficientnet_lite2", "efficientnet_lite0_lite2", "inception_v3",
	"mobilenet_1.0", "mobilenet_0.75", "mobilenet_0.50", "mobilenet_0.25",
}

// mobileNet finds width and input size in the name of a MobileNet.
var mobileNet = regexp.MustCompile(`^(mobilenet_[\d.]+)_(\d{3})$`)

// BaseTitle gives the title of a base model, by its name, for people. One that a user added has the title that it was given
// then, or its name.
func BaseTitle(tx *i18n.Texts, name, title string) string {
	plain, size := name, ""
	if m := mobileNet.FindStringSubmatch(name); m != nil {
		plain, size = m[1], m[2]
	}
	switch {
	case slices.Contains(titled, plain):
		return tx.T("kit.base."+plain, "Size", size)
	case title != "":
		return title
	}
	return name
}
