package story

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
)

// StateDir is where a device keeps its state in the folder that it syncs: it belongs to no tree.
const StateDir = ".stacksync"

// Tree is what some folders hold, by path with slashes.
type Tree map[string]Leaf

// Leaf is a folder, or a file by size in bytes and SHA-256.
type Leaf struct {
	Dir  bool
	Size int64
	Hash [sha256.Size]byte // zero in a tree that List has read
}

// String says what the leaf is, for people.
func (l Leaf) String() string {
	if l.Dir {
		return "a folder"
	}
	return fmt.Sprintf("a file of %d bytes, SHA-256 %x", l.Size, l.Hash)
}

// List returns what is in a folder, without hashes.
func List(root string) (Tree, error) {
	t := Tree{}
	return t, t.walk(root, "", func(_ fs.FS, _ string, e fs.DirEntry) (Leaf, error) {
		info, err := e.Info()
		if err != nil {
			return Leaf{}, err
		}
		return Leaf{Size: info.Size()}, nil
	})
}

// Read returns what is in a folder, with hashes.
func Read(root string) (Tree, error) {
	t := Tree{}
	return t, t.Add(root, "")
}

// Add adds what Read reads of a folder, below a path of the tree. With a path, the folder itself is a leaf too.
func (t Tree) Add(root, below string) error {
	return t.walk(root, below, func(in fs.FS, name string, _ fs.DirEntry) (Leaf, error) {
		content, err := fs.ReadFile(in, name)
		return Leaf{Size: int64(len(content)), Hash: sha256.Sum256(content)}, err
	})
}

func (t Tree) walk(root, below string, leaf func(in fs.FS, name string, e fs.DirEntry) (Leaf, error)) error {
	in := os.DirFS(root)
	err := fs.WalkDir(in, ".", func(name string, e fs.DirEntry, err error) error {
		at := path.Join(below, name)
		switch {
		case err != nil:
			return err
		case at == ".":
			return nil
		case name == StateDir:
			return fs.SkipDir
		case e.IsDir():
			t[at] = Leaf{Dir: true}
			return nil
		}
		t[at], err = leaf(in, name, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", root, err)
	}
	return nil
}

// Differences says what is not the same in two trees.
func Differences(a, b Tree, nameA, nameB string) []string {
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

// Files returns the number of files and of their bytes.
func (t Tree) Files() (n int, bytes int64) {
	for _, l := range t {
		if !l.Dir {
			n++
			bytes += l.Size
		}
	}
	return n, bytes
}
