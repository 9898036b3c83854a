package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

// These are the names that OpenStack's own client has for them.
var swiftSettings = []setting{
	{name: "OS_AUTH_URL", about: "URL of Keystone: https://keystone.example.com:5000/v3"},
	{name: "OS_USERNAME", about: "a user who may make containers"},
	{name: "OS_PASSWORD", about: "the user's password"},
	{name: "OS_USER_DOMAIN_NAME", about: "the user's domain (default: Default)", optional: true},
	{name: "OS_PROJECT_NAME", about: "the project that the containers are of"},
	{name: "OS_PROJECT_DOMAIN_NAME", about: "its domain (default: the user's)", optional: true},
	{name: "OS_REGION_NAME", about: "the region of the object store (default: the only one)", optional: true},
}

// openSwift signs requests with a key that no other run has. A service that lives longer keeps its key with its passwords.
func openSwift() func(context.Context, string, *slog.Logger) (opened, error) {
	key := stacksync.Secret(rand.Text() + rand.Text())
	return func(ctx context.Context, _ string, log *slog.Logger) (opened, error) {
		return swift.Open(ctx, swift.Config{
			AuthURL: os.Getenv("OS_AUTH_URL"), Region: os.Getenv("OS_REGION_NAME"),
			Username: os.Getenv("OS_USERNAME"), Password: stacksync.Secret(os.Getenv("OS_PASSWORD")), Domain: os.Getenv("OS_USER_DOMAIN_NAME"),
			Project: os.Getenv("OS_PROJECT_NAME"), ProjectDomain: os.Getenv("OS_PROJECT_DOMAIN_NAME"),
			Signing: &swift.Signing{Keys: []stacksync.Secret{key}},
			Logger:  log,
		})
	}
}
