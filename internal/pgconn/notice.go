package pgconn

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync/atomic"

	"github.com/uptrace/bun/driver/pgdriver"
)

// watched is a connection on which somebody reads along what the server says beside its answers. The driver throws that away.
//
// The server's messages are a byte for the type, four for the length, which counts itself, and the rest. The driver reads from one goroutine
// at a time.
type watched struct {
	net.Conn

	head     [5]byte
	headLen  int
	left     int    // of the message's rest
	notice   []byte // its beginning, if it is a notice
	isNotice bool

	waitEnded atomic.Bool
}

// noticeMost bounds what is kept of a notice. They are a few hundred bytes, but may quote a statement.
const noticeMost = 16 << 10

// Read implements net.Conn.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.scan(b[:n])
	return n, err
}

func (w *watched) scan(b []byte) {
	for len(b) > 0 {
		if w.headLen < len(w.head) {
			n := copy(w.head[w.headLen:], b)
			w.headLen, b = w.headLen+n, b[n:]
			if w.headLen < len(w.head) {
				return
			}
			w.left = int(binary.BigEndian.Uint32(w.head[1:])) - 4
			w.isNotice, w.notice = w.head[0] == 'N', w.notice[:0]
		}
		n := min(w.left, len(b))
		if w.isNotice {
			w.notice = append(w.notice, b[:min(n, noticeMost-len(w.notice))]...)
		}
		w.left, b = w.left-n, b[n:]
		if w.left <= 0 {
			if w.isNotice {
				w.heed(w.notice)
			}
			w.headLen = 0
		}
	}
}

// heed looks at a notice: fields of a byte and a text that ends with a zero.
func (w *watched) heed(notice []byte) {
	for len(notice) > 1 {
		field, rest, ok := bytes.Cut(notice[1:], []byte{0})
		// 'R' is the routine of the server that speaks. Its message is translated, this is not.
		if notice[0] == 'R' && string(field) == "SyncRepWaitForLSN" {
			w.waitEnded.Store(true)
		}
		if !ok {
			return
		}
		notice = rest
	}
}

// WaitEnded reports, once, whether a COMMIT of the connection has answered though no standby had it, as somebody has ended the wait
// for one: pg_cancel_backend makes such a COMMIT a success with a warning, pg_terminate_backend sends the warning before it ends the
// connection. It needs client_min_messages to be warning or less, and a connection that was made by a Connector.
func WaitEnded(conn *pgdriver.Conn) bool {
	w, ok := conn.Conn().(*watched)
	return ok && w.waitEnded.Swap(false)
}
