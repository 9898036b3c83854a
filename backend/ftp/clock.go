package ftp

import (
	"bytes"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"
)

// clock tells the server's time. The times of files are by the server's clock, also of those that clients upload; so the times that are set by
// MFMT have to be, too, or StoredAt would be by two clocks.
type clock struct {
	mu sync.Mutex
	// server is what the server's clock said at a moment of this machine's, by its monotonic clock.
	server, here time.Time
}

// clockGood is for how long clocks are taken to run alike.
const clockGood = 10 * time.Minute

// now returns the server's time, and whether it is known.
func (k *clock) now() (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	passed := time.Since(k.here)
	return k.server.Add(passed), !k.here.IsZero() && passed < clockGood
}

func (k *clock) set(server time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.server, k.here = server, time.Now()
}

// learn reads the server's clock off a file that was written just now.
func (c *conn) learn(file string) (time.Time, error) {
	at, err := c.ftp.GetTime(file)
	if err == nil {
		c.server.clock.set(at)
	}
	return at, err
}

// serverTime returns the server's time. Where it is not known, fresh is a file that was written just now; where that is empty, one is
// written in the container. The server can tell the times of files (MDTM).
func (s *Storage) serverTime(c *conn, container, fresh string) (time.Time, error) {
	if now, known := c.server.clock.now(); known {
		return now, nil
	}
	if fresh != "" {
		return c.learn(fresh)
	}
	temp := s.tempPath(container)
	if err := s.upload(c, container, temp, 0, &source{Reader: bytes.NewReader(nil)}); err != nil {
		return time.Time{}, err
	}
	now, err := c.learn(temp)
	if isBroken(err) {
		s.removeLater(temp)
		return now, err
	}
	if removeErr := c.remove(temp); err == nil {
		err = removeErr
	}
	return now, err
}

// keepsTime tells whether times can be read and set.
func keepsTime(c *ftp.ServerConn) bool { return c.IsSetTimeSupported() && c.IsGetTimeSupported() }
