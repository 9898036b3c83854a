package ftp

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/stacksync/stacksync-go/backend/internal/objectname"
)

const (
	// No container's name has a dot, nor does an object's begin with one.
	tempFolder    = ".tmp"
	deletedFolder = ".deleted"

	hexDigits = "0123456789abcdef"
)

// placeOf returns where a chunk lies in its container: the shard, then the name of the object.
func placeOf(chunk string) string {
	sum := sha256.Sum256([]byte(chunk))
	return hex.EncodeToString(sum[:1]) + "/" + objectname.Of(chunk)
}

// chunkAt is the inverse of placeOf; it reports false for a place where no chunk lies.
func chunkAt(place string) (string, bool) {
	_, object, ok := strings.Cut(place, "/")
	if !ok {
		return "", false
	}
	chunk, ok := objectname.Chunk(object)
	return chunk, ok && placeOf(chunk) == place
}

func isShard(name string) bool { return len(name) == 2 && strings.Trim(name, hexDigits) == "" }

// maxParts is into how many a place is parted at most: the shard, and what the longest name of a chunk needs.
const maxParts = 4

func (s *Storage) containerPath(container string) string { return path.Join(s.folder, container) }

func (s *Storage) path(container, place string) string {
	return path.Join(s.folder, container, place)
}

// unique returns each name once, in order.
func unique(names []string) []string {
	seen := make(map[string]bool, len(names))
	list := make([]string, 0, len(names))
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}
