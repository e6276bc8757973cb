package assets

import "embed"

// Web holds the pages of the server, and what describes its API, below web/; and the icon.
//
//go:embed all:web icons/icon.svg
var Web embed.FS
