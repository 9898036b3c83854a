package service

import (
	"context"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/grant"
	"github.com/stacksync/stacksync-go/service/internal/member"
	"github.com/stacksync/stacksync-go/service/internal/move"
	"github.com/stacksync/stacksync-go/service/internal/operation"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// plans says for each kind of operation what its steps are. The names of kinds and steps are
// stored: never rename one.
func (s *Service) plans() map[stacksync.OperationKind]operation.Plan {
	mover := move.Mover{Join: member.Add, Access: s.granter.AccessStep}
	about := func(t *operation.Task) []stacksync.WorkspaceID { return []stacksync.WorkspaceID{t.Op.Workspace} }
	left := func(t *operation.Task) []stacksync.WorkspaceID { return deletionOf(t).Left }
	spaces := func(t *operation.Task) []stacksync.WorkspaceID { return deletionOf(t).Spaces }
	key := operation.Step{Name: "key", Run: s.granter.KeyStep}

	return map[stacksync.OperationKind]operation.Plan{
		stacksync.OperationShare:  mover.Share(),
		stacksync.OperationReturn: mover.Return(),
		stacksync.OperationAccess: {
			Steps:    []operation.Step{s.granter.AccessStep(about, false)},
			Vanishes: true,
			Replaces: func(o *stacksync.Operation) stacksync.OperationsParams {
				return stacksync.OperationsParams{Workspaces: []stacksync.WorkspaceID{o.Workspace}}
			},
		},
		stacksync.OperationKey: {
			Steps:    []operation.Step{key},
			Payload:  grant.Payload,
			Vanishes: true,
			Replaces: func(o *stacksync.Operation) stacksync.OperationsParams {
				return stacksync.OperationsParams{Users: []stacksync.UserID{o.User}}
			},
		},
		stacksync.OperationAccount: {
			Steps:    []operation.Step{key, {Name: operation.AccessStep, Run: s.granter.ListStep}},
			Payload:  grant.Payload,
			Vanishes: true,
		},
		stacksync.OperationDelete: {
			Steps: []operation.Step{
				{Name: "account", Run: s.granter.DeleteStep},
				s.granter.AccessStep(left, false),
				move.PurgeStep(spaces),
				{Name: "user", Run: s.removeUser},
			},
			Payload: func() any { return new(deletion) },
		},
	}
}

// removeUser is the step that removes the row of a user, once no other row refers to it. It deletes
// the storage account once more, since a call that had begun before the deletion may have made the
// account again.
func (s *Service) removeUser(ctx context.Context, t *operation.Task) error {
	if err := s.granter.DeleteStep(ctx, t); err != nil {
		return err
	}
	return t.Change(ctx, stacksync.LockParams{Users: []stacksync.UserID{t.Op.User}}, func(ctx context.Context, w *session.Write) error {
		_, err := w.Remove(ctx, stacksync.RemoveParams{Users: []stacksync.UserID{t.Op.User}})
		if err == nil {
			t.Next()
		}
		return err
	})
}
