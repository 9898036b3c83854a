package backendtest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// contentOf returns content that only the chunk of this name has, some of it longer than a kilobyte.
func contentOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strings.Repeat(fmt.Sprintf("%x,%s;", sum[:4], name), 1+int(sum[0])%8)
}

// names returns n names as clients give them: the hex form of a hash.
func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", prefix, i)))
	}
	return list
}

// generated returns size bytes that look random and are the same each time.
func generated(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
}

// hashOf reads all of r.
func hashOf(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// digest stands for content that is too long to be printed when it is not what it should be.
func digest(content string) string {
	return fmt.Sprintf("%d bytes, SHA-256 %x", len(content), sha256.Sum256([]byte(content)))
}

// step is a reader without content that is a step in the middle or at the end of some, by way of io.MultiReader.
type step func() error

func (s step) Read([]byte) (int, error) {
	if err := s(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}
