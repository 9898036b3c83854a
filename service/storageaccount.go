package service

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/service/internal/grant"
	"github.com/stacksync/stacksync-go/service/internal/session"
)

// StorageAccount implements Transfers.
func (s *Service) StorageAccount(ctx context.Context, r stacksync.StorageAccountRequest) (stacksync.StorageAccountResult, error) {
	return call(ctx, s, "StorageAccount", func(ctx context.Context) (stacksync.StorageAccountResult, int, error) {
		res, err := s.storageAccount(ctx, r.Actor)
		return res, 1, err
	})
}

// storageAccount makes the account by an operation, so that some process finishes what was begun.
// Otherwise, after a crash, the secret that was set last might be one that a revoked device knows,
// and the list of access that was written last might have a member who has gone.
func (s *Service) storageAccount(ctx context.Context, actor stacksync.Actor) (stacksync.StorageAccountResult, error) {
	none := stacksync.StorageAccountResult{}
	if _, err := s.content.Choose(stacksync.ViaAccount); err != nil {
		return none, err
	}
	if err := stacksync.CheckActor(actor, stacksync.Needs{Device: true}); err != nil {
		return none, err
	}
	op, err := s.granter.RecordAccount(ctx, actor)
	if err != nil {
		return none, err
	}
	t := s.engine.Start(op)
	if err := t.Await(ctx); err != nil {
		return none, err
	}
	made, ok := t.Result.(*grant.Account)
	if !ok {
		made = new(grant.Account)
	}
	res := stacksync.StorageAccountResult{Login: made.Login, Unlisted: made.Unlisted}
	err = s.store.View(ctx, func(ctx context.Context, rd stacksync.Reader) error {
		user, devices, err := session.Devices(ctx, rd, actor)
		res.Secret = s.granter.SecretOf(&user, devices)
		return err
	})
	if err == nil && made.Login == "" { // another process has made the account
		err = fmt.Errorf("storage account: %w", stacksync.ErrBusy)
	}
	if err != nil {
		return none, err
	}
	return res, nil
}
