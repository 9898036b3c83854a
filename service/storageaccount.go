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

// storageAccount has an operation make the account: what is begun is brought to its end by
// somebody, or a secret that a revoked device knows might be the last to be set, and a list with
// somebody who has gone.
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
	if err == nil && made.Login == "" { // another process has done it
		err = fmt.Errorf("storage account: %w", stacksync.ErrBusy)
	}
	if err != nil {
		return none, err
	}
	return res, nil
}
