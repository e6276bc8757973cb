package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/image/bmp"
	"golang.org/x/image/draw"

	"kaika/core/picture"
	"kaika/core/picture/picturetest"
)

func TestParseKeepsJPEGAndPNG(t *testing.T) {
	for name, data := range map[string][]byte{
		"baseline":             picturetest.JPEG(1, 2, 64, 48),
		"grey":                 picturetest.Grey(64, 48),
		"progressive":          picturetest.Progressive(),
		"CMYK":                 picturetest.CMYK(),
		"CMYK without a word":  withoutAdobe(picturetest.CMYK()),
		"arithmetic coding":    remark(picturetest.JPEG(1, 2, 64, 48), 0xc0, 0xc9),
		"lossless":             remark(picturetest.JPEG(1, 2, 64, 48), 0xc0, 0xc3),
		"junk between markers": slices.Concat([]byte("\xff\xd8\xff\x00junk\xff\xff"), picturetest.JPEG(1, 2, 64, 48)[2:]),
		"junk at the end":      append(picturetest.JPEG(1, 2, 64, 48), "junk"...),
		"PNG":                  picturetest.PNG(1, 2, 64, 48),
		"16-bit PNG":           picturetest.PNG16(64, 48),
	} {
		t.Run(name, func(t *testing.T) {
			e := parse(t, data)
			kind := picture.JPEG
			if data[0] == 0x89 {
				kind = picture.PNG
			}
			if e.Width != 64 || e.Height != 48 || e.Orientation != 1 || e.Kind != kind {
				t.Errorf("got %d x %d, orientation %d, %s; want 64 x 48, 1, %s", e.Width, e.Height, e.Orientation, e.Kind, kind)
			}
			if &e.Data[0] != &data[0] || len(e.Data) != len(data) {
				t.Error("the file's own bytes were not handed on")
			}
		})
	}
}

func TestParseTurnsOtherKindsIntoPNG(t *testing.T) {
	flower := picturetest.Flower(1, 2, 64, 48)
	for name, tc := range map[string]struct {
		data      []byte
		kind      picture.Kind
		want      image.Image
		turn, off int // The orientation; how far a channel may be off.
	}{
		"GIF":           {picturetest.GIF(1, 2, 64, 48), picture.GIF, flower, 1, 26}, // Half a step of its palette.
		"BMP":           {picturetest.BMP(1, 2, 64, 48), picture.BMP, flower, 1, 0},
		"TIFF":          {picturetest.TIFF(1, 2, 64, 48), picture.TIFF, flower, 1, 0},
		"turned TIFF":   {turnedTIFF(3), picture.TIFF, flower, 3, 0},
		"WebP":          {picturetest.WebP(), picture.WebP, picturetest.Corners(64, 48), 6, 3},
		"lossless WebP": {picturetest.WebPLossless(), picture.WebP, whiteCorner(), 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := parse(t, tc.data)
			if e.Width != 64 || e.Height != 48 || e.Orientation != tc.turn || e.Kind != tc.kind {
				t.Errorf("got %d x %d, orientation %d, %s", e.Width, e.Height, e.Orientation, e.Kind)
			}
			got, err := png.Decode(bytes.NewReader(e.Data))
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, tc.want, tc.off)
			if again := parse(t, tc.data); !bytes.Equal(e.Data, again.Data) {
				t.Error("the same bytes gave two different PNGs")
			}
		})
	}
}

func TestParseShowsPartialFrameOnWhite(t *testing.T) {
	frame := image.NewPaletted(image.Rect(10, 5, 20, 15), color.Palette{color.RGBA{200, 0, 0, 255}, color.Transparent})
	frame.SetColorIndex(12, 7, 1)
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 64, Height: 48, ColorModel: frame.Palette},
	}); err != nil {
		t.Fatal(err)
	}
	want := image.NewRGBA(image.Rect(0, 0, 64, 48))
	draw.Draw(want, want.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(want, frame.Rect, frame, frame.Rect.Min, draw.Over)
	got, err := picture.Decode(parse(t, b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want, 0)
}

func TestParseShrinks(t *testing.T) {
	for _, tc := range []struct{ w, h, wantW, wantH int }{
		{1024, 1100, 1024, 1100},
		{1300, 1100, 1210, 1024},
		{20000, 20, 8192, 8},
		{1, 20000, 1, 8192},
	} {
		red := image.NewRGBA(image.Rect(0, 0, tc.w, tc.h))
		draw.Draw(red, red.Rect, image.NewUniform(color.RGBA{200, 0, 0, 255}), image.Point{}, draw.Src)
		var b bytes.Buffer
		if err := bmp.Encode(&b, red); err != nil {
			t.Fatal(err)
		}
		e := parse(t, b.Bytes())
		if e.Width != tc.w || e.Height != tc.h {
			t.Errorf("%d x %d: got the size %d x %d", tc.w, tc.h, e.Width, e.Height)
		}
		got, err := png.Decode(bytes.NewReader(e.Data))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, red.SubImage(image.Rect(0, 0, tc.wantW, tc.wantH)), 0)
	}
}

func TestOrientation(t *testing.T) {
	flower := picturetest.Flower(2, 3, 40, 30)
	for o := 1; o <= 8; o++ {
		e := parse(t, picturetest.WithOrientation(picturetest.EncodePNG(picturetest.Turn(flower, o)), o))
		if e.Orientation != o {
			t.Errorf("PNG: got orientation %d, want %d", e.Orientation, o)
		}
		got, err := picture.Decode(e)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, flower, 0)

		e = parse(t, picturetest.Turned(picturetest.Corners(64, 48), o))
		if e.Orientation != o || (e.Width == 64) != (o < 5) {
			t.Errorf("JPEG: got orientation %d and width %d, want %d", e.Orientation, e.Width, o)
		}
		if got, err = picture.Decode(e); err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != image.Rect(0, 0, 64, 48) {
			t.Fatalf("orientation %d: got bounds %v", o, got.Bounds())
		}
		for i, at := range []image.Point{{16, 12}, {48, 12}, {16, 36}, {48, 36}} {
			r, g, b, _ := got.At(at.X, at.Y).RGBA()
			bright := [3]bool{r > 0x8000, g > 0x8000, b > 0x8000}
			if want := [...][3]bool{{true, false, false}, {false, true, false}, {false, false, true}, {true, true, true}}[i]; bright != want {
				t.Errorf("orientation %d: quarter %d is %v, want %v", o, i, bright, want)
			}
		}
	}
}

func TestBrokenEXIFIsNoFault(t *testing.T) {
	whole := picturetest.Exif(6)
	little := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00")
	for name, tc := range map[string]struct {
		exif []byte
		want int
	}{
		"little endian":      {little, 8},
		"orientation 0":      {picturetest.Exif(0), 1},
		"orientation 9":      {picturetest.Exif(9), 1},
		"orientation 65535":  {picturetest.Exif(65535), 1},
		"empty":              {nil, 1},
		"header only":        {whole[:4], 1},
		"no directory":       {whole[:8], 1},
		"cut in the entry":   {whole[:20], 1},
		"offset far away":    {slices.Concat(whole[:4], []byte{0xff, 0xff, 0xff, 0xff}, whole[8:]), 1},
		"65535 entries":      {slices.Concat(whole[:8], []byte{0xff, 0xff, 0, 0}, whole[12:]), 1},
		"of another type":    {slices.Concat(whole[:12], []byte{0, 2}, whole[14:]), 1},
		"no TIFF header":     {append([]byte("XX"), whole[2:]...), 1},
		"after another tag":  {slices.Concat(whole[:8], []byte("\x00\x02\x01\x0f\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00"), whole[10:]), 6},
		"with Exif in front": {append([]byte("Exif\x00\x00"), whole...), 1}, // Twice, in a JPEG.
	} {
		plain := picturetest.JPEG(1, 1, 20, 10)
		segment := append([]byte("Exif\x00\x00"), tc.exif...)
		data := slices.Concat(plain[:2], []byte{0xff, 0xe1, 0, byte(2 + len(segment))}, segment, plain[2:])
		if got := parse(t, data).Orientation; got != tc.want {
			t.Errorf("%s: got orientation %d, want %d", name, got, tc.want)
		}
	}
}

func TestBadPictures(t *testing.T) {
	jpeg, png, bmp := picturetest.JPEG(1, 1, 160, 120), picturetest.PNG(1, 1, 64, 48), picturetest.BMP(1, 1, 64, 48)
	tiff, webp := picturetest.TIFF(1, 1, 64, 48), picturetest.WebP()
	scan := bytes.Index(jpeg, []byte{0xff, 0xda})
	little := binary.LittleEndian.AppendUint32
	for name, tc := range map[string]struct {
		data   []byte
		reason picture.Reason
		says   string
	}{
		"no bytes":    {nil, picture.Empty, "is an empty file"},
		"text":        {[]byte("Rosa rugosa\n"), picture.NotAPicture, "is a text file, not a picture"},
		"text on BMW": {[]byte("BMW is not a bitmap, whatever it begins with"), picture.NotAPicture, "is not a picture"},
		"Japanese":    {[]byte("これは薔薇の写真ではありません"), picture.NotAPicture, "is a text file"},
		"error page":  {[]byte("\n<!DOCTYPE html><html><svg></svg>404</html>"), picture.NotAPicture, "is a web page"},
		"HEIC":        {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), picture.Unsupported, "is a HEIC photo, which Kaika cannot read yet: save it as JPEG"},
		"HEIC, mif1":  {[]byte("\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic"), picture.Unsupported, "HEIC"},
		"AVIF":        {[]byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avifmiaf"), picture.Unsupported, "AVIF"},
		"AVIF, mif1":  {[]byte("\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf"), picture.Unsupported, "AVIF"},
		"film":        {[]byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  "), picture.NotAPicture, "video"},
		"SVG":         {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), picture.Unsupported, "SVG"},
		"SVG, XML":    {[]byte(`<?xml version="1.0"?><svg/>`), picture.Unsupported, "SVG"},
		"PDF":         {[]byte("%PDF-1.7\n"), picture.NotAPicture, "PDF"},
		"ZIP":         {[]byte("PK\x03\x04\x14\x00"), picture.NotAPicture, "archive"},
		"Photoshop":   {[]byte("8BPS\x00\x01"), picture.Unsupported, "Photoshop"},
		"JPEG XL":     {[]byte("\xff\x0a\xfa\x7f"), picture.Unsupported, "JPEG XL"},
		"zeros":       {make([]byte, 100), picture.NotAPicture, "is not a picture"},

		"JPEG, first bytes":    {jpeg[:3], picture.Truncated, "ends too early"},
		"JPEG, no scan":        {jpeg[:scan], picture.Truncated, "ends too early"},
		"JPEG, marker only":    {jpeg[:scan+2], picture.Truncated, "ends too early"},
		"JPEG, no pixels":      {jpeg[:scan+14], picture.Truncated, "ends too early"},
		"JPEG, fill bytes":     {[]byte("\xff\xd8\xff\xff\xff\xff"), picture.Truncated, "ends too early"},
		"JPEG, end at once":    {[]byte("\xff\xd8\xff\xd9"), picture.Truncated, "ends too early"},
		"JPEG, no size":        {remark(jpeg, 0xc0, 0xfe), picture.Damaged, "no size"},
		"JPEG, length of 1":    {[]byte("\xff\xd8\xff\xe0\x00\x01abcdef"), picture.Damaged, "damaged"},
		"JPEG, huge":           {picturetest.HugeClaim(), picture.TooManyPixels, "claims 65535 x 65535 pixels, more than 50 megapixels"},
		"JPEG, height 0":       {resize(jpeg, 0), picture.Empty, "without pixels (160 x 0)"},
		"PNG, signature":       {png[:8], picture.Truncated, "ends too early"},
		"PNG, cut":             {png[:len(png)/2], picture.Truncated, "ends too early"},
		"PNG, no end":          {png[:len(png)-12], picture.Truncated, "ends too early"},
		"PNG, of Apple":        {slices.Concat(png[:8], []byte("\x00\x00\x00\x04CgBI\x50\x00\x20\x02xxxx"), png[8:]), picture.Damaged, "does not begin"},
		"PNG, huge":            {slices.Concat(png[:16], []byte("\x7f\xff\xff\xff\x7f\xff\xff\xff"), png[24:]), picture.TooManyPixels, "claims 2147483647 x 2147483647"},
		"PNG, a thread":        {slices.Concat(png[:16], []byte("\x00\x01\x00\x00\x00\x00\x00\x01"), png[24:]), picture.TooManyPixels, "more than 65535 on a side"},
		"GIF, cut":             {picturetest.GIF(1, 1, 64, 48)[:900], picture.Truncated, "ends too early"},
		"GIF, 0 x 0":           {[]byte("GIF89a\x00\x00\x00\x00\x00\x00\x00;"), picture.Empty, "without pixels"},
		"GIF, no frame":        {[]byte("GIF89a\x10\x00\x10\x00\x00\x00\x00;"), picture.Truncated, "ends too early"},
		"GIF, odd block":       {[]byte("GIF89a\x10\x00\x10\x00\x00\x00\x00?;"), picture.Damaged, "is a damaged GIF"},
		"BMP, cut":             {bmp[:len(bmp)/2], picture.Truncated, "ends too early"},
		"BMP, compressed":      {slices.Concat(bmp[:30], []byte{1}, bmp[31:]), picture.Unsupported, "BMP of a kind"},
		"TIFF, cut":            {tiff[:len(tiff)/4], picture.Truncated, "ends too early"},
		"TIFF, JPEG inside":    {bytes.Replace(tiff, []byte("\x03\x01\x03\x00\x01\x00\x00\x00\x01"), []byte("\x03\x01\x03\x00\x01\x00\x00\x00\x07"), 1), picture.Unsupported, "TIFF of a kind"},
		"WebP, animated":       {picturetest.WebPAnimated(), picture.Unsupported, "animated"},
		"WebP, cut":            {webp[:100], picture.Truncated, "ends too early"},
		"WebP, no picture":     {[]byte("RIFF\x04\x00\x00\x00WEBP"), picture.Damaged, "is a damaged WebP"},
		"BMP, a lie":           {slices.Concat(bmp[:18], little(little(nil, 7000), 7000), bmp[26:]), picture.Truncated, "claims 7000 x 7000 pixels but has only"},
		"BMP, nearly infinite": {slices.Concat(bmp[:18], little(little(nil, 1<<30), 2), bmp[26:]), picture.TooManyPixels, "megapixels"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := picture.Parse(tc.data)
			if err == nil {
				t.Fatalf("got a %s of %d x %d", e.Kind, e.Width, e.Height)
			}
			if got := picture.ReasonOf(err); got != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %s: %q, want %s: %q", got, err, tc.reason, tc.says)
			}
			if e.Data != nil {
				t.Error("a bad picture was handed on")
			}
		})
	}
}

func TestParseAllocatesNothingByClaims(t *testing.T) {
	bmp := picturetest.BMP(1, 1, 64, 48)
	side := binary.LittleEndian.AppendUint32(nil, 7000)
	claims := map[string][]byte{
		"JPEG": picturetest.HugeClaim(),
		"BMP":  slices.Concat(bmp[:18], side, side, bmp[26:]),
		"GIF":  []byte("GIF89a\x58\x1b\x58\x1b\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x58\x1b\x58\x1b\x00\x02\x01\x00;"),
		"TIFF": bytes.Replace(bytes.Replace(picturetest.TIFF(1, 1, 64, 48), // Its width and its height.
			[]byte("\x00\x01\x03\x00\x01\x00\x00\x00\x40\x00"), []byte("\x00\x01\x03\x00\x01\x00\x00\x00\x58\x1b"), 1),
			[]byte("\x01\x01\x03\x00\x01\x00\x00\x00\x30\x00"), []byte("\x01\x01\x03\x00\x01\x00\x00\x00\x58\x1b"), 1),
	}
	for name, data := range claims {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := picture.Parse(data); err == nil {
			t.Errorf("%s: a lie was believed", name)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes were allocated for a file of %d", name, got, len(data))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		data   []byte
		reason picture.Reason
	}{
		"nothing":             {nil, picture.Empty},
		"too many pixels":     {picturetest.HugeClaim(), picture.TooManyPixels},
		"half a JPEG":         {picturetest.Truncated(), picture.Damaged},
		"CMYK without a word": {withoutAdobe(picturetest.CMYK()), picture.Unsupported},
	} {
		if _, err := picture.Decode(picture.Encoded{Data: tc.data}); picture.ReasonOf(err) != tc.reason {
			t.Errorf("%s: got %v, want %s", name, err, tc.reason)
		}
	}
}

func TestDecodeColours(t *testing.T) {
	for name, data := range map[string][]byte{"CMYK": picturetest.CMYK(), "progressive": picturetest.Progressive()} {
		got, err := picture.Decode(parse(t, data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, got, picturetest.Corners(64, 48), 8)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	photo := picturetest.JPEG(1, 2, 64, 48)
	e, digest, err := picture.Read(t.Context(), write("薔薇 1.jpg", photo))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(e.Data, photo) || e.Kind != picture.JPEG || digest != picture.Sum(photo) {
		t.Error("the file and its digest were not read")
	}

	text := write("text.jpg", []byte("text"))
	_, digest, err = picture.Read(t.Context(), text)
	if picture.ReasonOf(err) != picture.NotAPicture || digest != picture.Sum([]byte("text")) {
		t.Errorf("a text file: got %v and digest %s", err, digest)
	}

	large := write("large.jpg", photo)
	if err := os.Truncate(large, picture.MaxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	circle := filepath.Join(dir, "circle.jpg")
	if err := os.Symlink(circle, circle); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path   string
		reason picture.Reason
		says   string
	}{
		{large, picture.TooLarge, "has more than 64 MiB"},
		{write("empty.jpg", nil), picture.Empty, "is an empty file"},
		{dir, picture.Unreadable, "is a folder"},
		{filepath.Join(dir, "missing.jpg"), picture.Unreadable, "does not exist"},
		{circle, picture.Unreadable, "cannot be read"},
		{os.DevNull, picture.Unreadable, "a device"},
	} {
		_, _, err := picture.Read(t.Context(), tc.path)
		if picture.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %s", tc.path, err, tc.says)
		}
		if strings.Contains(err.Error(), dir) {
			t.Errorf("%q names the file, which is the caller's", err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := picture.Read(ctx, text); err == nil || picture.ReasonOf(err) != "" {
		t.Errorf("after the end: got %v", err)
	}
}

func TestReadForbidden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "forbidden.jpg")
	if err := os.WriteFile(path, picturetest.JPEG(1, 1, 8, 8), 0o000); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		_ = f.Close()
		t.Skip("this user may read everything")
	}
	_, _, err := picture.Read(t.Context(), path)
	if picture.ReasonOf(err) != picture.Unreadable || !strings.Contains(err.Error(), "may not be read") {
		t.Errorf("got %v", err)
	}
}

func TestReadFrom(t *testing.T) {
	photo := picturetest.PNG(1, 2, 64, 48)
	e, digest, err := picture.ReadFrom(iotest.OneByteReader(bytes.NewReader(photo)))
	if err != nil || !bytes.Equal(e.Data, photo) || digest != picture.Sum(photo) {
		t.Errorf("got %d bytes, digest %s, %v", len(e.Data), digest, err)
	}
	_, _, err = picture.ReadFrom(iotest.ErrReader(&fs.PathError{Op: "read", Path: "secret", Err: fs.ErrPermission}))
	if picture.ReasonOf(err) != picture.Unreadable || err.Error() != "may not be read by this user (permission denied)" {
		t.Errorf("a forbidden reader: got %v", err)
	}
	endless := io.MultiReader(bytes.NewReader(photo), iotest.DataErrReader(zeros{}))
	if _, _, err := picture.ReadFrom(endless); picture.ReasonOf(err) != picture.TooLarge {
		t.Errorf("an endless reader: got %v", err)
	}
}

func TestDigest(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1.
	digest := picture.Sum([]byte("abc"))
	if digest.String() != abc {
		t.Errorf("got %s", digest)
	}
	text, err := json.Marshal(digest)
	if err != nil {
		t.Fatal(err)
	}
	var again picture.Digest
	if err := json.Unmarshal(text, &again); err != nil || again != digest {
		t.Errorf("%s became %s: %v", text, again, err)
	}
	for _, wrong := range []string{`"ba"`, `"` + abc + `00"`, `"z` + abc[1:] + `"`} {
		if err := json.Unmarshal([]byte(wrong), &again); err == nil {
			t.Errorf("%s was taken for a digest", wrong)
		}
	}
}

func TestIsName(t *testing.T) {
	for _, name := range []string{
		"a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.PNG", "a.gif", "a.WebP", "a.bmp", "a.tif", "a.tiff", "rose/薔薇 1.jpg", "a.txt.jpg", ".kaika/a.jpg",
	} {
		if !picture.IsName(name) {
			t.Errorf("%s is not looked at", name)
		}
	}
	for _, name := range []string{"", "a", "jpg", "a.txt", "a.jpg.part", "a.heic", ".jpg", "rose/._a.jpg", "a.jpg/b"} {
		if picture.IsName(name) {
			t.Errorf("%s is looked at", name)
		}
	}
}

func TestRealPhotos(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the real photos are missing: ", err)
		}
		t.Skip("the real photos are not here")
	}
	n := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !picture.IsName(path) {
			return err
		}
		e, digest, err := picture.Read(t.Context(), path)
		if err != nil {
			t.Errorf("%s %v", path, err)
			return nil
		}
		if e.Kind != picture.JPEG || e.Orientation != 1 || picture.Sum(e.Data) != digest {
			t.Errorf("%s: got a %s of orientation %d", path, e.Kind, e.Orientation)
		}
		if n%20 == 0 {
			img, err := picture.Decode(e)
			if err != nil {
				t.Errorf("%s %v", path, err)
			} else if img.Bounds() != image.Rect(0, 0, e.Width, e.Height) {
				t.Errorf("%s: its header says %d x %d, its pixels are %v", path, e.Width, e.Height, img.Bounds())
			}
		}
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != 1322 {
		t.Errorf("got %d photos, want 1322", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{
		picturetest.JPEG(1, 1, 16, 12), picturetest.Grey(16, 12), picturetest.Progressive(), picturetest.CMYK(),
		picturetest.Truncated(), picturetest.Turned(picturetest.Corners(16, 12), 6),
		picturetest.PNG(1, 1, 16, 12), picturetest.PNG16(16, 12), picturetest.WithOrientation(picturetest.PNG(1, 1, 16, 12), 8),
		picturetest.GIF(1, 1, 16, 12), picturetest.BMP(1, 1, 16, 12), picturetest.TIFF(1, 1, 16, 12), turnedTIFF(3),
		picturetest.WebP(), picturetest.WebPLossless(), picturetest.WebPAnimated(),
		nil, []byte("text"), []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := picture.Parse(data)
		if err != nil {
			if picture.ReasonOf(err) == "" || err.Error() == "" {
				t.Errorf("an error without a reason: %#v", err)
			}
			return
		}
		if e.Width < 1 || e.Height < 1 || e.Width*e.Height > picture.MaxPixels || e.Orientation < 1 || e.Orientation > 8 {
			t.Errorf("got %d x %d, orientation %d", e.Width, e.Height, e.Orientation)
		}
		if e.Width*e.Height > 1<<20 {
			return // Decoding it would be slow, and no different.
		}
		own := e.Kind == picture.JPEG || e.Kind == picture.PNG
		img, err := picture.Decode(e)
		if err != nil && !own {
			t.Errorf("a PNG of Kaika's cannot be decoded: %v", err)
		}
		if err == nil && own && e.Orientation < 5 && img.Bounds() != image.Rect(0, 0, e.Width, e.Height) {
			t.Errorf("the header says %d x %d, the pixels are %v", e.Width, e.Height, img.Bounds())
		}
	})
}

func BenchmarkParseJPEG(b *testing.B) {
	data := picturetest.JPEG(1, 1, 1024, 768)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := picture.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBMP12Megapixels(b *testing.B) {
	data := picturetest.BMP(1, 1, 4000, 3000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := picture.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func parse(t *testing.T, data []byte) picture.Encoded {
	t.Helper()
	e, err := picture.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// same fails the test where a channel of a pixel differs by more than off.
func same(t *testing.T, got, want image.Image, off int) {
	t.Helper()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("got the bounds %v, want %v", got.Bounds(), want.Bounds())
	}
	pixels := func(img image.Image) []uint8 {
		plain := image.NewRGBA(img.Bounds())
		draw.Draw(plain, plain.Rect, img, plain.Rect.Min, draw.Src)
		return plain.Pix
	}
	g, w := pixels(got), pixels(want)
	for i := range w {
		if d := max(int(g[i])-int(w[i]), int(w[i])-int(g[i])); d > off {
			t.Fatalf("channel %d of pixel %d, counted by rows, is %d, want %d", i%4, i/4, g[i], w[i])
		}
	}
}

// remark replaces the first marker of a kind in a JPEG by another.
func remark(jpeg []byte, from, to byte) []byte {
	return bytes.Replace(jpeg, []byte{0xff, from}, []byte{0xff, to}, 1)
}

// resize replaces the height in the header of a baseline JPEG.
func resize(jpeg []byte, height uint16) []byte {
	jpeg = slices.Clone(jpeg)
	binary.BigEndian.PutUint16(jpeg[bytes.Index(jpeg, []byte{0xff, 0xc0})+5:], height)
	return jpeg
}

// withoutAdobe removes the Adobe marker that a CMYK fixture begins with.
func withoutAdobe(jpeg []byte) []byte { return slices.Delete(jpeg, 2, 18) }

// turnedTIFF puts orientation o in the place of the number of samples, which the decoder does not ask for.
func turnedTIFF(o byte) []byte {
	return bytes.Replace(picturetest.TIFF(1, 2, 64, 48),
		[]byte("\x15\x01\x03\x00\x01\x00\x00\x00\x04"), []byte{0x12, 1, 3, 0, 1, 0, 0, 0, o}, 1)
}

// whiteCorner is what shows of the lossless WebP on white.
func whiteCorner() image.Image {
	img := picturetest.Corners(64, 48)
	draw.Draw(img, image.Rect(0, 0, 32, 24), image.White, image.Point{}, draw.Src)
	return img
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
