package chart

// scale maps the values lo..hi to the places from..to, for example pixels. hi must be greater than lo, and both at most ±largest.
type scale struct {
	lo, hi   float64
	from, to float32
}

// farthest bounds places, so that what lies out of sight does not lose the precision of what lies in sight.
const farthest = 1 << 20

// at gives the place of a value, at most ±farthest.
func (s scale) at(v float64) float32 {
	share := (v - s.lo) / (s.hi - s.lo)
	place := float64(s.from) + share*float64(s.to-s.from)
	return float32(min(max(place, -farthest), farthest))
}

// value gives what lies at a place.
func (s scale) value(place float32) float64 {
	return s.lo + float64((place-s.from)/(s.to-s.from))*(s.hi-s.lo)
}

// scaled gives the scale for places that are drawn larger, such as pixels of a dense screen, and shifted.
func (s scale) scaled(factor, shift float32) scale {
	s.from, s.to = s.from*factor+shift, s.to*factor+shift
	return s
}
