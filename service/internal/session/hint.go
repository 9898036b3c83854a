package session

import (
	"time"

	"github.com/stacksync/stacksync-go"
)

// Hint is a notification on its way to the notifier.
type Hint struct {
	stacksync.Notification
	// Debtor owes the hint until the store has noted that the hint was sent.
	Debtor
}

// Debtor is a workspace whose change log has grown, or a user whose rights have changed: one of the
// two fields is set.
type Debtor struct {
	Workspace stacksync.WorkspaceID
	User      stacksync.UserID
}

// WorkspaceHint returns the hint that tells followers of a workspace its present revision.
func WorkspaceHint(w *stacksync.Workspace) Hint {
	note := stacksync.Notification{Topic: stacksync.WorkspaceTopic(w.ID), Revision: w.Revision}
	return Hint{Notification: note, Debtor: Debtor{Workspace: w.ID}}
}

// UserHint returns the hint that tells the devices of a user the user's present revision.
func UserHint(u *stacksync.User) Hint {
	note := stacksync.Notification{Topic: stacksync.UserTopic(u.ID), Revision: u.Revision}
	return Hint{Notification: note, Debtor: Debtor{User: u.ID}}
}

// HintDue returns the deadline for sending a hint that becomes owed, or is claimed, now: two
// RelayIntervals from now. After the deadline any relay may claim the hint.
func (k *Kernel) HintDue() time.Time { return k.Now().Add(2 * k.RelayInterval) }

// OweWorkspace sets HintDue of a workspace whose revision grows beyond loaded. If the workspace
// owed a hint already at that revision, its earlier deadline stays.
func (k *Kernel) OweWorkspace(w *stacksync.Workspace, loaded int64) {
	if w.Notified >= loaded {
		w.HintDue = k.HintDue()
	}
}

// OweUser is OweWorkspace for a user.
func (k *Kernel) OweUser(u *stacksync.User, loaded int64) {
	if u.Notified >= loaded {
		u.HintDue = k.HintDue()
	}
}
