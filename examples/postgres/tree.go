package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// tree is what a folder holds, by path with slashes: a folder, or a file by size and hash.
type tree map[string]leaf

type leaf struct {
	dir  bool
	size int64
	hash [sha256.Size]byte
}

func (l leaf) String() string {
	if l.dir {
		return "a folder"
	}
	return fmt.Sprintf("a file of %d bytes, SHA-256 %x", l.size, l.hash)
}

// hashTree returns what is in a folder but the device's own state folder.
func hashTree(root string) (tree, error) {
	t, files := tree{}, os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case name == ".stacksync":
			return fs.SkipDir
		case e.IsDir():
			t[name] = leaf{dir: true}
			return nil
		}
		content, err := fs.ReadFile(files, name)
		t[name] = leaf{size: int64(len(content)), hash: sha256.Sum256(content)}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hash the tree: %w", err)
	}
	return t, nil
}

// differences says what is not the same in two trees.
func differences(a, b tree, nameA, nameB string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		la, inA := a[name]
		lb, inB := b[name]
		switch {
		case !inA:
			found = append(found, fmt.Sprintf("%s: only on %s, %v", name, nameB, lb))
		case !inB:
			found = append(found, fmt.Sprintf("%s: only on %s, %v", name, nameA, la))
		case la != lb:
			found = append(found, fmt.Sprintf("%s: on %s %v, on %s %v", name, nameA, la, nameB, lb))
		}
	}
	return found
}

// files returns the number of files and of their bytes.
func (t tree) files() (n int, bytes int64) {
	for _, l := range t {
		if !l.dir {
			n++
			bytes += l.size
		}
	}
	return n, bytes
}
