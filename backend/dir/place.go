package dir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
)

const (
	// A plain name is as long as a hash or an id. Shorter ones may be reserved (con, com1 on Windows), and longer ones leave
	// no room for what backup tools add.
	minPlain = 16
	maxPlain = 200

	// namedSuffix marks a file that ends with the name of its chunk. No plain name has a dot.
	namedSuffix = ".named"
	maxTrailer  = 256

	hexDigits = "0123456789abcdef"
)

// place is where a chunk lies in its container. Different names have different places, also where case does not count.
type place struct{ shard, file string }

func (p place) path() string { return p.shard + "/" + p.file }

func placeOf(name string) place {
	sum := sha256.Sum256([]byte(name))
	shard := hex.EncodeToString(sum[:1])
	if isPlain(name) {
		return place{shard: shard, file: name}
	}
	return place{shard: shard, file: hex.EncodeToString(sum[:]) + namedSuffix}
}

// placeOfFile returns the place of a file by the file's name alone, and false for one that no chunk has.
func placeOfFile(file string) (place, bool) {
	if isPlain(file) {
		return placeOf(file), true
	}
	sum, ok := strings.CutSuffix(file, namedSuffix)
	if !ok || len(sum) != hex.EncodedLen(sha256.Size) || strings.Trim(sum, hexDigits) != "" {
		return place{}, false
	}
	return place{shard: sum[:2], file: file}, true
}

func isPlain(name string) bool {
	if len(name) < minPlain || len(name) > maxPlain || name[0] == '-' || name[0] == '_' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// trailerOf returns what comes after the content in the file of a chunk.
func trailerOf(name string) string {
	if isPlain(name) {
		return ""
	}
	return name + string([]byte{byte(len(name))})
}

var errDamaged = errors.New("damaged: the file does not end with the name of its chunk")

// nameAt returns the name of the chunk that lies at a place of a container.
func nameAt(c *os.Root, at place) (string, error) {
	if isPlain(at.file) {
		return at.file, nil
	}
	info, err := c.Lstat(at.path())
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errDamaged
	}
	f, err := c.Open(at.path())
	if err != nil {
		return "", err
	}
	defer f.Close()
	end := make([]byte, min(info.Size(), maxTrailer))
	if _, err := f.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return "", err
	}
	name, ok := nameIn(end)
	if !ok || placeOf(name) != at {
		return "", errDamaged
	}
	return name, nil
}

// nameIn returns the name in the trailer at the end of a file.
func nameIn(end []byte) (string, bool) {
	if len(end) == 0 {
		return "", false
	}
	end, length := end[:len(end)-1], int(end[len(end)-1])
	if length > len(end) {
		return "", false
	}
	return string(end[len(end)-length:]), true
}
