package s3

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

// layout tells where containers are.
type layout struct {
	bucket, prefix string
	// bucketPrefix is set where each container is a bucket; then the others are empty.
	bucketPrefix string
}

func layoutOf(c *Config) layout { return layout{c.Bucket, c.Prefix, c.BucketPrefix} }

// ownBucket reports whether each container is a bucket.
func (l layout) ownBucket() bool { return l.bucketPrefix != "" }

// place is where the objects of a container are.
type place struct{ bucket, prefix string }

func (l layout) place(container string) place {
	if l.ownBucket() {
		return place{bucket: bucketName(l.bucketPrefix, container)}
	}
	return place{l.bucket, l.prefix + container + "/"}
}

const mostBucketName = 63

var spelling = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// bucketName gives names of 63 characters to those containers only whose names are too long, so that no two share one.
func bucketName(prefix, container string) string {
	const hashed = 26 // characters: 130 bits
	name := prefix + container
	if len(name) < mostBucketName && !reservedEnd(name) {
		return name
	}
	sum := sha256.Sum256([]byte(container))
	padded := name + strings.Repeat("-", mostBucketName)
	return padded[:mostBucketName-hashed] + spelling.EncodeToString(sum[:])[:hashed]
}

// reservedEnd tells the ends of names that Amazon keeps for itself, as far as a container's name can have them.
func reservedEnd(name string) bool {
	for _, end := range []string{"-s3alias", "--ol-s3", "--x-s3", "--table-s3", "-an"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// key is that of a chunk's object.
func (p place) key(chunk string) string { return p.prefix + objectname.Of(chunk) }

// marker is the object that is there while a container exists. It sorts before all chunks.
func (p place) marker() string { return p.prefix + ".container" }

// chunk returns the name of the chunk that has a key, and false for an object that is no chunk's.
func (p place) chunk(key string) (string, bool) {
	object, ok := strings.CutPrefix(key, p.prefix)
	if !ok {
		return "", false
	}
	return objectname.Chunk(object)
}
