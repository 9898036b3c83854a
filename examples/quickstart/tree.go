package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// copyTree copies the files and folders of a tree. It returns how many things it left out because they are neither.
func copyTree(from, to string) (skipped int, err error) {
	err = filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case e.Type().IsRegular():
			return copyFile(name, target)
		}
		skipped++
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("copy the tree: %w", err)
	}
	return skipped, nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600|info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if closeErr := target.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

func hashOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

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

// listTree returns what is in a folder but the devices' own state folder, without hashes.
func listTree(root string) (tree, error) {
	t := tree{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
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
		info, err := e.Info()
		if err == nil {
			t[name] = leaf{size: info.Size()}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the tree: %w", err)
	}
	return t, nil
}

// hashTree is listTree with hashes.
func hashTree(root string) (tree, error) {
	t, err := listTree(root)
	if err != nil {
		return nil, err
	}
	for name, l := range t {
		if l.dir {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("hash the tree: %w", err)
		}
		t[name] = leaf{size: int64(len(content)), hash: sha256.Sum256(content)}
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

// below returns the number of files in a folder.
func (t tree) below(folder string) (n int) {
	for name, l := range t {
		if !l.dir && strings.HasPrefix(name, folder+"/") {
			n++
		}
	}
	return n
}

// folders returns the folders at the top, those with most files first.
func (t tree) folders() []string {
	files := map[string]int{}
	for name, l := range t {
		if !l.dir && strings.Contains(name, "/") {
			files[strings.SplitN(name, "/", 2)[0]]++
		}
	}
	return slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		if files[a] != files[b] {
			return files[b] - files[a]
		}
		return strings.Compare(a, b)
	})
}

// first returns the first file in a folder, by name.
func (t tree) first(folder string) string {
	var found string
	for name, l := range t {
		if !l.dir && strings.HasPrefix(name, folder+"/") && (found == "" || name < found) {
			found = name
		}
	}
	return found
}
