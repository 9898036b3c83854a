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

	"github.com/stacksync/stacksync-go/examples/internal/story"
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

// below returns the number of files in a folder.
func below(t story.Tree, folder string) (n int) {
	for name, l := range t {
		if !l.Dir && strings.HasPrefix(name, folder+"/") {
			n++
		}
	}
	return n
}

// folders returns the folders at the top, those with most files first.
func folders(t story.Tree) []string {
	files := map[string]int{}
	for name, l := range t {
		if !l.Dir && strings.Contains(name, "/") {
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
func first(t story.Tree, folder string) string {
	var found string
	for name, l := range t {
		if !l.Dir && strings.HasPrefix(name, folder+"/") && (found == "" || name < found) {
			found = name
		}
	}
	return found
}
