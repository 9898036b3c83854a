package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// tree is what some folders hold, by path with slashes: a folder, or a file by size and hash.
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

// tree reads all folders that the device syncs: those that it has lost are not among them.
func (c *client) tree() (tree, error) {
	t := tree{}
	for _, f := range c.folders() {
		if err := t.add(f.dir); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// add reads a folder, but the device's own state folder in it.
func (t tree) add(root string) error {
	in := os.DirFS(root)
	err := fs.WalkDir(in, ".", func(name string, e fs.DirEntry, err error) error {
		at := path.Join(filepath.Base(root), name)
		switch {
		case err != nil:
			return err
		case name == stateDir:
			return fs.SkipDir
		case e.IsDir():
			t[at] = leaf{dir: true}
			return nil
		}
		content, err := fs.ReadFile(in, name)
		t[at] = leaf{size: int64(len(content)), hash: sha256.Sum256(content)}
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", root, err)
	}
	return nil
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
