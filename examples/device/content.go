package device

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/stacksync/stacksync-go"
)

// content is what a file holds.
type content struct {
	Size     int64
	Checksum string // SHA-256 of the whole, in lower-case hex
	Chunks   []stacksync.Chunk
}

func (c *content) is(size int64, checksum string) bool {
	return c.Size == size && c.Checksum == checksum
}

func hashName(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readContent cuts and hashes what r holds. buf has cutBuffer bytes.
func readContent(r io.Reader, buf []byte) (*content, error) {
	c := &content{}
	whole := sha256.New()
	err := eachChunk(r, buf, func(chunk []byte) error {
		name := hashName(chunk)
		if c.Size == 0 && len(chunk) <= minChunk {
			c.Checksum = name // only a last chunk is as short as this, so there is no other
		} else {
			whole.Write(chunk)
		}
		c.Size += int64(len(chunk))
		c.Chunks = append(c.Chunks, stacksync.Chunk{Name: name, Size: int64(len(chunk))})
		return nil
	})
	if c.Checksum == "" {
		c.Checksum = hex.EncodeToString(whole.Sum(nil))
	}
	return c, err
}

// errBusy says that a file changes faster than it can be read.
var errBusy = errors.New("file keeps changing")

// hash reads the file and notes its content, unless it is known already.
func (j *job) hash(n *node) error {
	const attempts = 3
	for range attempts {
		if n.content != nil {
			return nil
		}
		if err := j.tryHash(n); err != nil {
			return err
		}
	}
	return errBusy
}

// tryHash notes nothing if the file changed while it was read.
func (j *job) tryHash(n *node) error {
	now := j.cfg.Now()
	file, err := j.root.Open(n.path())
	if err != nil {
		return stale(n.path(), err)
	}
	defer func() { _ = file.Close() }() // it was only read
	before, err := file.Stat()
	if err != nil {
		return err
	}
	if !before.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", n.path(), errStale)
	}
	buf := j.buffers.Get().(*[cutBuffer]byte)
	defer j.buffers.Put(buf)
	c, err := readContent(file, buf[:])
	if err != nil {
		return err
	}
	j.count(func(r *Report) { r.FilesHashed++ })
	after, err := j.root.Lstat(n.path())
	if err != nil {
		return stale(n.path(), err)
	}
	if s := stampOf(before, now); s.same(stampOf(after, now)) {
		n.stamp, n.exec, n.content = s, before.Mode()&0o100 != 0, c
	}
	return nil
}

// clean reports whether the file still holds the content of its record, reading it where its stamp leaves a doubt.
func (j *job) clean(n *node, r *record) (bool, error) {
	if r.Stamp.proves(n.stamp) {
		return true, nil
	}
	if err := j.hash(n); err != nil {
		return false, err
	}
	return n.content.is(r.Size, r.Checksum), nil
}
