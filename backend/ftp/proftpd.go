package ftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// accessFile is where ProFTPD looks for the limits of a folder, at each command.
const accessFile = ".ftpaccess"

// mostGrants is how many accounts a container can be granted to: ProFTPD goes through the list at each command.
const mostGrants = 1_000

// ProFTPD is the Access to a ProFTPD server that is configured as the package comment says: accounts are lines of its AuthUserFile,
// grants are limits in files that the service's account writes over FTP.
//
// Changes of access hold at once, also for sessions that are open. A former secret, or a deleted account, can't log in from the moment
// the call returns; sessions begun with it end by EndSessions.
type ProFTPD struct {
	// Users is the path of the server's AuthUserFile on this machine, or on a disk that both share. It must be there. Others may edit
	// it, too, if they replace it and hold a lock (flock) on the file of that name and ".lock" meanwhile.
	Users string
	// UID and GID are those of the service's account, since it has to read and delete what accounts write. Not 0.
	UID, GID int
	// EndSessions ends the sessions of a login; that there are none is no error. "ftpdctl kick user LOGIN" does it on the server's machine,
	// within a second or two: see the package comment for what that needs. What fails is done by the next call for the account. Without
	// EndSessions, sessions begun with a former secret go on until the server's TimeoutSession ends them.
	EndSessions func(ctx context.Context, login string) error
}

var _ Access = ProFTPD{}

// PutAccount implements Access.
func (a ProFTPD) PutAccount(ctx context.Context, account string, secret stacksync.Secret, ifExists bool) (string, error) {
	if a.UID <= 0 || a.GID <= 0 {
		return "", errors.New("ProFTPD.UID and GID have to be those of the service's account")
	}
	var pending *user
	err := a.edit(ctx, func(users *users) error {
		old, there := users.find(account)
		switch {
		case !there || old.mark() == markDeleted:
			if ifExists {
				return nil
			}
		case matches(old.hash(), secret):
			if old.mark() == markChanged {
				pending = &old
			}
			return nil
		}
		hash, err := hashOf(secret)
		if err != nil {
			return err
		}
		changed := userOf(account, hash, a.UID, a.GID)
		if there && a.EndSessions != nil {
			changed = changed.with(hash, markChanged)
			pending = &changed
		}
		users.put(account, changed.String())
		return nil
	})
	if err == nil && pending != nil {
		err = a.settle(ctx, account, *pending, pending.with(pending.hash(), "").String())
	}
	return account, err
}

// DeleteAccount implements Access.
func (a ProFTPD) DeleteAccount(ctx context.Context, account string) error {
	var pending *user
	err := a.edit(ctx, func(users *users) error {
		old, there := users.find(account)
		if !there || a.EndSessions == nil {
			users.put(account, "")
			return nil
		}
		deleted := old.with(noHash, markDeleted)
		pending = &deleted
		users.put(account, deleted.String())
		return nil
	})
	if err != nil || pending == nil {
		return err
	}
	return a.settle(ctx, account, *pending, "")
}

// settle ends the sessions of an account, and then replaces its line, unless somebody else has done so.
func (a ProFTPD) settle(ctx context.Context, account string, pending user, line string) error {
	if err := a.endSessions(ctx, account); err != nil {
		return err
	}
	return a.edit(ctx, func(users *users) error {
		if now, there := users.find(account); there && now.String() == pending.String() {
			users.put(account, line)
		}
		return nil
	})
}

func (a ProFTPD) endSessions(ctx context.Context, login string) error {
	if a.EndSessions == nil {
		return nil
	}
	if err := a.EndSessions(ctx, login); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// SetAccess implements Access.
func (a ProFTPD) SetAccess(ctx context.Context, f Folder, grants []stacksync.Grant) (omitted []string, err error) {
	const tries = 100 // more accounts than are made meanwhile
	var listed []stacksync.Grant
	for try := range tries {
		existing, err := a.existing(grants)
		if err != nil || try > 0 && slices.Equal(existing, listed) {
			return omitted, err
		}
		listed, omitted = existing, nil // and look for the others once more: they may have been made meanwhile
		var readers, writers []string
		for i, g := range existing {
			switch {
			case i >= mostGrants:
				omitted = append(omitted, g.Account)
			case g.Permission == stacksync.ReadWrite:
				writers = append(writers, g.Account)
				fallthrough
			default:
				readers = append(readers, g.Account)
			}
		}
		// The inner one first: without it, what others upload is open to readers.
		if err := f.Put(ctx, tempFolder+"/"+accessFile, tempLimits(f.Service(), writers)); err != nil {
			return nil, err
		}
		if err := f.Put(ctx, accessFile, containerLimits(f.Service(), readers, writers)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("accounts come and go: %w", stacksync.ErrBusy)
}

// existing returns the grants of the accounts that exist: the name of another must not wait in a list for whoever gets it.
func (a ProFTPD) existing(grants []stacksync.Grant) ([]stacksync.Grant, error) {
	known, err := readUsers(a.Users)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(grants), func(g stacksync.Grant) bool {
		u, ok := known.find(g.Account)
		return !ok || u.mark() == markDeleted
	}), nil
}

// What commands do is in RFC 959 and 3659. RNFR counts as reading to ProFTPD's own groups of commands, but takes a file away.
var (
	lookCommands = []string{"RETR", "SIZE", "MDTM", "MLST", "MLSD", "LIST", "NLST", "STAT"}
	moveCommands = []string{"CWD", "XCWD", "CDUP", "XCUP", "PWD", "XPWD"}
)

// containerLimits let readers look, and writers move in what they have uploaded. Whatever is not named here is denied by the server's
// own limits.
func containerLimits(service string, readers, writers []string) []byte {
	var b bytes.Buffer
	limit(&b, service, readers, append(moveCommands[:len(moveCommands):len(moveCommands)], lookCommands...)...)
	limit(&b, service, writers, "RNTO", "MKD", "XMKD")
	limit(&b, service, nil, "STOR", "RNFR")
	fmt.Fprintf(&b, "HideFiles %s\n", `"^\.ftpaccess$"`)
	return b.Bytes()
}

// tempLimits let writers upload, ask how much has come, and move it out; names of other uploads can't be guessed, nor listed.
func tempLimits(service string, writers []string) []byte {
	var b bytes.Buffer
	limit(&b, service, writers, "STOR", "RNFR", "SIZE")
	limit(&b, service, nil, "RETR", "MDTM", "MLST", "MLSD", "LIST", "NLST", "STAT", "RNTO", "MKD", "XMKD")
	return b.Bytes()
}

// limit lets only these use some commands. ProFTPD's lines are 1,024 bytes at most, so each account has its own.
func limit(b *bytes.Buffer, service string, logins []string, commands ...string) {
	fmt.Fprintf(b, "<Limit %s>\n  AllowUser OR %s\n", strings.Join(commands, " "), service)
	for _, login := range logins {
		fmt.Fprintf(b, "  AllowUser OR %s\n", login)
	}
	b.WriteString("  DenyAll\n</Limit>\n")
}
