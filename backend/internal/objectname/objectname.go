// Package objectname gives chunks names that object stores and file servers take, whatever characters clients have put into them.
//
// A hash or an id in lower case stays as it is. Any other name is spelled in base32, in parts of a length that every file system takes,
// since some object stores keep objects as files: "_", base32, and "-/" after each part but the last. No object's name is a folder of
// another one, none differs from another one in case only, and none starts with a dot, so that back-ends can have files of their own.
package objectname

import (
	"encoding/base32"
	"strings"
)

const mostPart = 200 // characters

var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Of returns the name of a chunk's object: characters of a-z, 0-9, "-", "_" and "/".
func Of(chunk string) string {
	if isPlain(chunk) {
		return chunk
	}
	spelled := encoding.EncodeToString([]byte(chunk))
	var b strings.Builder
	b.WriteByte('_')
	for len(spelled) > mostPart {
		b.WriteString(spelled[:mostPart])
		b.WriteString("-/")
		spelled = spelled[mostPart:]
	}
	b.WriteString(spelled)
	return b.String()
}

// Chunk returns the name of an object's chunk, and false for an object that no chunk has.
func Chunk(object string) (string, bool) {
	if isPlain(object) {
		return object, true
	}
	spelled, ok := strings.CutPrefix(object, "_")
	if !ok {
		return "", false
	}
	name, err := encoding.DecodeString(strings.ReplaceAll(spelled, "-/", ""))
	if err != nil || len(name) == 0 || Of(string(name)) != object {
		return "", false
	}
	return string(name), true
}

func isPlain(s string) bool {
	if len(s) == 0 || len(s) > mostPart || s[0] == '-' || s[0] == '_' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
