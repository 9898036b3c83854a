// Package pgconn connects to PostgreSQL through pgdriver: what the metadata store and the notifier have in common.
package pgconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/uptrace/bun/driver/pgdriver"
)

// NewConnector reads a DSN as pgdriver does, postgres://user:password@host:port/database?… or unix://…, but for TLS: the
// server's certificate and host name are checked, whatever sslmode says, unless that is disable. (The driver itself checks
// nothing for allow, prefer and require, and no host name for verify-ca.) The roots are those of the system, or the file
// sslrootcert, or what tlsConfig says, where that is not nil. Unix sockets go without TLS. application is what
// pg_stat_activity shows, unless the DSN has an application_name.
//
// Its errors name the field Config.DSN. They don't have the DSN in them, nor the driver's about the DSN as a whole: where
// it can't be parsed, nobody knows what in it is the password.
func NewConnector(dsn string, tlsConfig *tls.Config, application string) (*Connector, error) {
	u, err := url.Parse(dsn)
	switch {
	case err != nil:
		return nil, errors.New("Config.DSN is not a URL")
	case u.Scheme != "postgres" && u.Scheme != "postgresql" && u.Scheme != "unix":
		return nil, errors.New("Config.DSN does not begin with postgres://, postgresql:// or unix://")
	case u.Scheme == "unix" && u.Path == "":
		return nil, errors.New("Config.DSN has no path of a Unix socket")
	case u.User != nil && u.User.Username() == "":
		return nil, errors.New("Config.DSN has an empty user")
	}
	query := u.Query()
	mode := ""
	if modes := query["sslmode"]; len(modes) > 0 {
		mode = modes[len(modes)-1] // as the driver takes it
	}
	plain := mode == "disable"
	switch mode {
	case "disable":
		query.Set("sslmode", mode)
	case "", "allow", "prefer", "require", "verify-ca", "verify-full":
		query.Set("sslmode", "verify-full") // so that the driver reads the files of certificates
	default:
		return nil, fmt.Errorf("Config.DSN has an unknown sslmode %q", mode)
	}
	if plain && tlsConfig != nil {
		return nil, errors.New("Config.TLS is set, but Config.DSN says sslmode=disable")
	}
	u.RawQuery = query.Encode()
	made, err := pgdriver.NewDriver().OpenConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("Config.DSN: %w", err) // speaks of a parameter, since the rest has been parsed above
	}
	connector, ok := made.(*pgdriver.Connector)
	if !ok {
		return nil, fmt.Errorf("the driver has made a %T, not a Connector", made)
	}

	c := connector.Config()
	if c.AppName == "" {
		c.AppName = application
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil && c.Network == "tcp" {
		c.Addr = net.JoinHostPort(strings.Trim(c.Addr, "[]"), "5432")
	}
	var encryption *tls.Config
	if !plain && c.Network != "unix" {
		encryption = verifying(tlsConfig, c.TLSConfig, c.Addr)
	}
	c.TLSConfig = nil      // the dialer does it, so that what the server says can be read along
	c.UnsafeStrings = true // the settings that the driver would ask for are made by Connect: see there
	dial := guardedDialer(c.Dialer)
	c.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if encryption != nil {
			encrypted, err := encrypt(ctx, conn, encryption, c.ReadTimeout)
			if err != nil {
				_ = conn.Close()
				return nil, err
			}
			conn = encrypted
		}
		return &watched{Conn: conn}, nil
	}
	return &Connector{connector, encryption}, nil
}

// verifying returns the TLS configuration to connect to host:port with: the given one, or what the driver has read, without
// what makes it trust anybody.
func verifying(given, read *tls.Config, addr string) *tls.Config {
	var c *tls.Config
	if given != nil {
		c = given.Clone()
	} else {
		c = &tls.Config{RootCAs: read.RootCAs, Certificates: read.Certificates}
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(addr)
	}
	return c
}
