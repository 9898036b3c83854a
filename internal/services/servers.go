//go:build unix

package main

import (
	"context"
	"io"
	"time"

	"github.com/stacksync/stacksync-go/internal/openstack"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/services/serverenv"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// servers are what can be started, by name. What was started is to be closed, also after an error.
var servers = map[string]func(ctx context.Context) (io.Closer, []serverenv.Variable, error){
	"s3": func(ctx context.Context) (io.Closer, []serverenv.Variable, error) {
		s, err := versitygw.Start(ctx, versitygw.Options{})
		if err != nil {
			return nil, nil, err
		}
		env, err := serverenv.S3(ctx, s)
		return s, env, err
	},
	"swift": func(ctx context.Context) (io.Closer, []serverenv.Variable, error) {
		// As in production, Swift does not ask Keystone about each token each time.
		s, err := openstack.Start(ctx, openstack.Options{TokenCache: time.Minute, Workers: 2})
		if err != nil {
			return nil, nil, err
		}
		return s, serverenv.Swift(s), nil
	},
	"ftp": func(ctx context.Context) (io.Closer, []serverenv.Variable, error) {
		s, err := proftpd.Start(ctx, proftpd.Options{})
		if err != nil {
			return nil, nil, err
		}
		return s, serverenv.FTP(s), nil
	},
}
