package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// users are the lines of an AuthUserFile.
type users struct {
	lines   []string
	changed bool
}

// user is what such a line has, as in passwd(5).
type user struct{ fields [7]string }

// Until EndSessions has succeeded, an account has one of these marks, in the field for a comment: so the next call knows that sessions
// may be open which must not be.
const (
	markChanged = "end-sessions"
	markDeleted = "deleted,end-sessions"
	noHash      = "!" // of no password
)

func userOf(account, hash string, uid, gid int) user {
	return user{[7]string{account, hash, strconv.Itoa(uid), strconv.Itoa(gid), "", "/", "/bin/false"}}
}

func (u user) hash() string   { return u.fields[1] }
func (u user) mark() string   { return u.fields[4] }
func (u user) String() string { return strings.Join(u.fields[:], ":") }

func (u user) with(hash, mark string) user {
	u.fields[1], u.fields[4] = hash, mark
	return u
}

func readUsers(name string) (*users, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return &users{lines: strings.SplitAfter(string(b), "\n")}, nil
}

// find returns the first line of an account.
func (u *users) find(account string) (found user, ok bool) {
	for _, line := range u.lines {
		if fields := strings.Split(strings.TrimRight(line, "\r\n"), ":"); fields[0] == account && len(fields) > 1 {
			copy(found.fields[:], fields)
			return found, true
		}
	}
	return found, false
}

// put gives an account this line, or none. All other lines stay as they are.
func (u *users) put(account, line string) {
	var lines []string
	for _, l := range u.lines {
		if strings.HasPrefix(l, account+":") {
			u.changed = true
			continue
		}
		lines = append(lines, l)
	}
	if line != "" {
		if n := len(lines); n > 0 && lines[n-1] != "" && !strings.HasSuffix(lines[n-1], "\n") {
			lines[n-1] += "\n"
		}
		lines = append(lines, line+"\n")
		u.changed = true
	}
	u.lines = lines
}

// edit changes the AuthUserFile under its lock, if there is anything to change.
func (a ProFTPD) edit(ctx context.Context, change func(*users) error) error {
	lock, err := lockFile(ctx, a.Users+".lock")
	if err != nil {
		return fmt.Errorf("lock the accounts: %w", err)
	}
	defer lock.Close()
	u, err := readUsers(a.Users)
	if err != nil {
		return err
	}
	if err := change(u); err != nil || !u.changed {
		return err
	}
	if err := replaceFile(a.Users, strings.Join(u.lines, "")); err != nil {
		return fmt.Errorf("write the accounts: %w", err)
	}
	return nil
}

// lockFile waits for the lock of a file, which lasts until the file is closed or the process ends.
func lockFile(ctx context.Context, name string) (io.Closer, error) {
	const pause = 5 * time.Millisecond
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(f)
		if err == nil && locked {
			return f, nil
		}
		if err == nil {
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				err = ended(ctx)
			}
		}
		return nil, errors.Join(err, f.Close())
	}
}

// replaceFile gives a file new content, at once and for good, and keeps its owner and mode.
func replaceFile(name, content string) (err error) {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := likeOwner(f, info); err != nil {
		return err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	dir, dirErr := os.Open(filepath.Dir(name))
	if dirErr == nil {
		dirErr = errors.Join(dir.Sync(), dir.Close())
	}
	return errors.Join(f.Close(), dirErr)
}
