// Package chart is a line chart for curves that grow while they are looked at, such as the accuracy of a training run, and for laying kept
// runs over each other.
//
// A [Chart] is the Fyne widget; a [Figure] is what it shows, and draws the same as a PNG file, without a window.
//
// Curves are drawn into one reused picture, at most two points a pixel column: of more steps each is looked at once, which takes nanoseconds,
// but no more is drawn.
package chart
