package device

import (
	"errors"
	"io"
)

// Bounds of a chunk in bytes. Files up to minChunk are one chunk. All devices must cut alike to share chunks, so these
// numbers and the table below are as fixed as a format.
const (
	minChunk = 128 << 10
	avgChunk = 512 << 10
	maxChunk = 2 << 20
)

// Masks of the rolling hash: harder to meet before avgChunk and easier after it, which keeps most chunks near the average (FastCDC,
// Xia et al. 2016, "normalised chunking"). They take the top bits, which the last 64 bytes decide.
const (
	hardMask = (1<<21 - 1) << (64 - 21)
	easyMask = (1<<17 - 1) << (64 - 17)
)

// gear maps a byte to a random number: outputs of SplitMix64, seeded with 0.
var gear = func() (table [256]uint64) {
	var x uint64
	for i := range table {
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		table[i] = z ^ z>>31
	}
	return table
}()

// cut returns how long the first chunk of data is. data has maxChunk bytes or more, or all that is left of the content.
func cut(data []byte) int {
	if len(data) <= minChunk {
		return len(data)
	}
	data = data[:min(len(data), maxChunk)]
	var h uint64
	i := minChunk
	for end := min(len(data), avgChunk); i < end; i++ {
		if h = h<<1 + gear[data[i]]; h&hardMask == 0 {
			return i + 1
		}
	}
	for ; i < len(data); i++ {
		if h = h<<1 + gear[data[i]]; h&easyMask == 0 {
			return i + 1
		}
	}
	return i
}

// cutBuffer is the size of the buffer that eachChunk wants: room for some chunks, so that little is moved within it.
const cutBuffer = 2 * maxChunk

// eachChunk cuts what r holds into chunks whose borders depend on nothing but the content around them, so that an insertion
// changes the chunks near it and no others. A chunk is valid until yield returns. buf has cutBuffer bytes.
func eachChunk(r io.Reader, buf []byte, yield func(chunk []byte) error) error {
	have, done := 0, false // buf[:have] is read and not cut yet
	for {
		if !done {
			n, err := io.ReadFull(r, buf[have:])
			have += n
			switch {
			case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
				done = true
			case err != nil:
				return err
			}
		}
		at := 0
		for at < have && (done || have-at >= maxChunk) {
			n := cut(buf[at:have])
			if err := yield(buf[at : at+n]); err != nil {
				return err
			}
			at += n
		}
		if done {
			return nil
		}
		have = copy(buf, buf[at:have])
	}
}
