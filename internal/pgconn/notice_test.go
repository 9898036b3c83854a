package pgconn

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serverMessage is a message as a server sends it.
func serverMessage(kind byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

// TestWatchedReadsAlong gives the messages in pieces of every size: the notice is found wherever it is cut, and nothing else is taken for it.
func TestWatchedReadsAlong(t *testing.T) {
	t.Parallel()
	const routine = "SyncRepWaitForLSN"
	ended := serverMessage('N', "SWARNING\x00VWARNING\x00C01000\x00Mcanceling wait\x00R"+routine+"\x00\x00")
	for name, c := range map[string]struct {
		messages [][]byte
		want     bool
	}{
		"the notice":          {[][]byte{serverMessage('C', "COMMIT\x00"), ended, serverMessage('Z', "I")}, true},
		"terminated":          {[][]byte{serverMessage('N', "SWARNUNG\x00VWARNING\x00C57P01\x00R"+routine+"\x00\x00")}, true},
		"another notice":      {[][]byte{serverMessage('N', "SNOTICE\x00M"+routine+"\x00Rother\x00\x00"), serverMessage('Z', "I")}, false},
		"a row that holds it": {[][]byte{serverMessage('D', string(ended)), serverMessage('D', "R"+routine+"\x00"), serverMessage('Z', "I")}, false},
		"an error":            {[][]byte{serverMessage('E', "SERROR\x00R"+routine+"\x00\x00")}, false},
		"after a long one":    {[][]byte{serverMessage('N', "M"+strings.Repeat("x", 2*noticeMost)+"\x00\x00"), ended}, true},
		"empty ones":          {[][]byte{serverMessage('I', ""), serverMessage('N', ""), serverMessage('N', "\x00"), serverMessage('N', "R"), ended}, true},
	} {
		all := []byte{}
		for _, m := range c.messages {
			all = append(all, m...)
		}
		for size := 1; size <= min(len(all), 64); size++ {
			w := &watched{}
			for rest := all; len(rest) > 0; {
				n := min(size, len(rest))
				w.scan(rest[:n])
				rest = rest[n:]
			}
			require.Equal(t, c.want, w.waitEnded.Load(), "%s, in pieces of %d bytes", name, size)
			require.Zero(t, w.headLen, name)
			require.LessOrEqual(t, len(w.notice), noticeMost)
		}
	}
}
