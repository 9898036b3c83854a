package swift

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const (
	defaultParallel   = 16
	defaultRemembered = time.Minute
)

func (c *Config) check() error {
	bad := func(field, reason string) error { return &stacksync.FieldError{Field: field, Reason: reason} }
	if c.Provider == nil {
		if u, err := url.Parse(c.AuthURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return bad("AuthURL", "is not an HTTP URL without a user") // it may hold a secret: it is not shown
		}
		for field, value := range map[string]string{"Username": c.Username, "Password": string(c.Password), "Project": c.Project} {
			if value == "" {
				return bad(field, "is empty")
			}
		}
	}
	if len(c.Prefix) > 64 || strings.Trim(c.Prefix, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.HasPrefix(c.Prefix, ".") {
		return bad("Prefix", `is not at most 64 characters of a-z, 0-9, "-", "_" and ".", without a "." at its start`)
	}
	if c.Parallel < 0 {
		return bad("Parallel", "is negative")
	}
	if err := check.Origins("Origins", c.Origins); err != nil {
		return err
	}
	if c.Signing != nil {
		if err := c.Signing.check(); err != nil {
			return err
		}
	}
	if c.Accounts != nil {
		return c.Accounts.check()
	}
	return nil
}

// LogValue implements slog.LogValuer: as JSON a Config has its secrets, and AuthURL may have one before Open has looked at it.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("username", c.Username), slog.String("project", c.Project), slog.String("region", c.Region), slog.String("prefix", c.Prefix),
		slog.Bool("signing", c.Signing != nil), slog.Bool("accounts", c.Accounts != nil),
	)
}

// Format implements fmt.Formatter, as LogValue does: fmt itself shows what a pointer leads to where a verb does not fit.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, c.LogValue()) }

// LogValue implements slog.LogValuer, as Config does.
func (c Signing) LogValue() slog.Value { return slog.IntValue(len(c.Keys)) }

func (c Config) withDefaults() Config {
	set(&c.Domain, "Default")
	set(&c.ProjectDomain, c.Domain)
	if c.Availability == "" {
		c.Availability = gophercloud.AvailabilityPublic
	}
	if c.Parallel == 0 {
		c.Parallel = defaultParallel
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func set(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
