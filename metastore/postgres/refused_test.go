package postgres

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// The store's own connections can have whatever texts need; a host's pool is refused by name, by the driver or by Open.
func TestSettingsOfTexts(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	for _, s := range []settingOf{{"standard_conforming_strings", "off", 0}, {"client_encoding", "LATIN1", 0}, {"client_encoding", "SQL_ASCII", 0}} {
		if o.version >= 19 && s.name == "standard_conforming_strings" {
			continue // it is always on
		}
		t.Run(s.name+"="+s.value, func(t *testing.T) {
			t.Parallel()
			dsn := o.role(t, s)
			own := newWorld(t, openStore(t, Config{DSN: dsn, Schema: o.server.Schema(t)}))
			own.commits(own.byService)

			_, err := Open(t.Context(), Config{DB: poolOf(t, dsn), Schema: o.server.Schema(t)})
			require.ErrorContains(t, err, s.name)
			unsafe := poolOf(t, dsn, pgdriver.WithUnsafeStrings(true))
			_, err = Open(t.Context(), Config{DB: unsafe, Schema: o.server.Schema(t)})
			requireSetting(t, err, s.name)

			tx, err := unsafe.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = own.svc.CommitIn(t.Context(), own.store.Tx(tx), own.request(own.file()))
			requireSetting(t, err, s.name)
			require.NoError(t, tx.Rollback())
		})
	}
}

func requireSetting(t *testing.T, err error, name string) {
	t.Helper()
	require.ErrorIs(t, err, ErrSetting)
	var e *SettingError
	require.ErrorAs(t, err, &e)
	require.Equal(t, name, e.Setting)
	require.ErrorContains(t, err, name+" is "+e.Value)
}

// TestEncodings opens databases of other encodings: those that can't hold every name are refused.
func TestEncodings(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	for encoding, works := range map[string]bool{"UTF8": true, "SQL_ASCII": true, "LATIN1": false, "EUC_JP": false, "WIN1252": false} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			name := "encoded_" + strings.ToLower(encoding)
			create := "CREATE DATABASE " + name + " ENCODING '" + encoding + "' LOCALE 'C' TEMPLATE template0"
			if o.version >= 15 {
				create += " LOCALE_PROVIDER libc"
			}
			o.server.Exec(t, create)
			dsn := dsnOf(t, o.server.DSN(), func(u *url.URL) { u.Path = "/" + name })
			if works {
				w := newWorld(t, openStore(t, Config{DSN: dsn}))
				w.commits(w.byService)
				o.server.Exec(t, "ALTER DATABASE "+name+" SET client_encoding = 'UTF8'") // which the driver asks for
				w.commits(w.inTransactionOf(poolOf(t, dsn)))
				return
			}
			_, err := Open(t.Context(), Config{DSN: dsn})
			requireSetting(t, err, "server_encoding")
			o.server.Exec(t, "ALTER DATABASE "+name+" SET client_encoding = 'UTF8'")
			for _, config := range []Config{{DSN: dsn}, {DB: poolOf(t, dsn)}} {
				_, err := Open(t.Context(), config)
				requireSetting(t, err, "server_encoding")
			}
			requireSetting(t, Rollback(t.Context(), Config{DSN: dsn}), "server_encoding")
		})
	}
}

// TestReadOnlyByDefault and the like are refused, since whoever made the setting wants it so.
func TestReadOnlyByDefault(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	dsn := o.role(t, settingOf{"default_transaction_read_only", "on", 0})
	schema := o.server.Schema(t)
	for _, config := range []Config{{DSN: dsn, Schema: schema}, {DB: poolOf(t, dsn), Schema: schema}} {
		_, err := Open(t.Context(), config)
		requireSetting(t, err, "default_transaction_read_only")
	}
	w := newWorld(t, openStore(t, Config{DSN: dsn + "&default_transaction_read_only=off", Schema: schema}))
	w.commits(w.byService) // what the DSN says, wins
}

// Asynchronous commits are refused wherever they are met, unless the host wants them.
func TestAsynchronousCommit(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	off := settingOf{"synchronous_commit", "off", 0}
	dsn := o.role(t, off)
	for _, config := range []Config{{DSN: dsn}, {DB: poolOf(t, dsn)}} {
		config.Schema = o.server.Schema(t)
		_, err := Open(t.Context(), config)
		requireSetting(t, err, "synchronous_commit")
		require.ErrorContains(t, err, "Config.AllowAsynchronousCommit")
		config.AllowAsynchronousCommit = true
		w := newWorld(t, openStore(t, config))
		w.commits(w.byService)
		w.commits(w.inTransactionOf(poolOf(t, dsn)))
	}

	// Who turns it off later turns it off for new connections.
	plain := o.role(t)
	pool := poolOf(t, plain)
	pool.SetMaxIdleConns(-1)
	own := openStore(t, Config{DSN: plain, Schema: o.server.Schema(t)})
	host := openStore(t, Config{DB: pool, Schema: o.server.Schema(t)})
	for _, store := range []*Store{own, host} {
		require.NoError(t, lock(t.Context(), store, lockAda, func() error { return nil }))
	}
	o.set(t, userOf(t, plain), off)
	o.server.Terminate(t, "usename = '"+userOf(t, plain)+"'")
	for _, store := range []*Store{own, host} {
		err := lock(t.Context(), store, lockAda, func() error { return nil })
		requireSetting(t, err, "synchronous_commit")
	}
	tx, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = host.Tx(tx).Lock(t.Context(), lockAda)
	requireSetting(t, err, "synchronous_commit")
	require.NoError(t, tx.Rollback())
}

// TestStandby opens a standby, which becomes the primary then.
func TestStandby(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	config := fresh(t, server)
	w := newWorld(t, openStore(t, config))
	w.commits(w.byService)
	makeStandby(t, server)
	for _, config := range []Config{config, {DB: poolOf(t, server.DSN()), Schema: config.Schema}} {
		_, err := Open(t.Context(), config)
		require.ErrorIs(t, err, ErrStandby)
	}
	_, err := w.svc.Commit(t.Context(), w.request(w.file()))
	require.ErrorIs(t, err, ErrStandby, "a store that was open before says so, too")
	server.Query(t, "SELECT pg_promote()")
	w.commits(w.byService)
}

// Connections that the server ends because they rest cost no attempt: the store asks it not to.
func TestIdleSessions(t *testing.T) {
	t.Parallel()
	o := newOperated(t, nil)
	if o.version < 14 {
		return // there is no such setting
	}
	dsn := o.role(t, settingOf{"idle_session_timeout", "1min", 0}, settingOf{"statement_timeout", "1min", 0})
	config, err := Config{DSN: dsn}.withDefaults()
	require.NoError(t, err)
	pool, _, err := config.pool()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	for name, want := range map[string]string{"idle_session_timeout": "0", "statement_timeout": "30s"} {
		var value string
		require.NoError(t, pool.QueryRowContext(t.Context(), "SELECT current_setting($1)", name).Scan(&value))
		assert.Equal(t, want, value, name)
	}
}

// The settings that are made in a host's transaction end with it.
func TestHostTransactionSettingsEnd(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	store := openStore(t, fresh(t, server))
	db := poolOf(t, server.DSN())
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), "SET bytea_output = escape; SET array_nulls = off")
	require.NoError(t, err)
	values := func(q interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}) (both string) {
		require.NoError(t, q.QueryRowContext(t.Context(), "SELECT current_setting('bytea_output') || current_setting('array_nulls')").Scan(&both))
		return both
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = store.Tx(tx).Users(t.Context(), stacksync.UsersParams{IDs: []stacksync.UserID{"ada"}})
	require.NoError(t, err)
	require.Equal(t, "hexon", values(tx))
	require.NoError(t, tx.Commit())
	require.Equal(t, "escapeoff", values(db))
}

// A savepoint takes the settings back with what was done since. Another Tx makes them again, and can read what is saved.
func TestHostTransactionAfterSavepoint(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	store := openStore(t, fresh(t, server))
	require.NoError(t, put(t.Context(), store, account(1)))
	db := poolOf(t, server.DSN())
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), "SET bytea_output = escape; SET array_nulls = off")
	require.NoError(t, err)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	for range 2 {
		_, err = tx.ExecContext(t.Context(), "SAVEPOINT before")
		require.NoError(t, err)
		meta := store.Tx(tx)
		_, err = meta.Lock(t.Context(), lockAda)
		require.NoError(t, err)
		p := account(1)
		p.Users[0].Revision = 7
		_, err = meta.Put(t.Context(), stacksync.PutParams{Users: p.Users})
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "ROLLBACK TO before")
		require.NoError(t, err)
		var format string
		require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT current_setting('bytea_output')").Scan(&format))
		require.Equal(t, "escape", format)
	}
	res, err := store.Tx(tx).Users(t.Context(), stacksync.UsersParams{IDs: []stacksync.UserID{"user-1"}})
	require.NoError(t, err)
	require.Equal(t, account(1).Users[0].Revision, res.Users[0].Revision)
	require.NoError(t, tx.Commit())
}
