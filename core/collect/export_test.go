package collect

// Limit sets how many entries an archive may have, and how many bytes it may unpack to.
func (a *Archive) Limit(entries int, bytes int64) {
	a.limits = limits{entries: entries, names: 1 << 20, spare: bytes, inflated: 1, unpacked: bytes}
}

// LimitNames sets how many bytes the names in an archive may have.
func (a *Archive) LimitNames(bytes int64) { a.limits.names = bytes }

// Keywords gives the keyword of each path in a tree of these photos.
func Keywords(photos []string) []string {
	l := arrange(photos)
	var all []string
	for _, p := range photos {
		all = append(all, l.keyword(p))
	}
	return all
}

// FileName and Decoder are what names go through.
var (
	FileName = fileName
	Decoder  = decoder
)
