//go:build unix

package openstack

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// config is what the configuration files are made of.
type config struct {
	Folder, User                                           string
	Keystone, Proxy, Memcached, Account, Container, Object int // ports
	ServicePassword, Operators                             string
	TokenSeconds, CacheSeconds                             int
	Workers                                                int
	Pipeline                                               string
	Filters                                                []string
}

// Listings are to be right when a write returns, however slow the machine is: there is no updater that would mend them. Hence the timeouts.
//
// The first proxy-logging also mends answers to HEAD, which Go's client can't read otherwise. Keystone and the service's own tokens are
// cached in memcached: a token check takes 17 ms with it and 800 ms without.
var templates = template.Must(template.New("").Parse(`
{{define "proxy.conf"}}[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {{.Proxy}}
workers = {{.Workers}}
user = {{.User}}
swift_dir = {{.Folder}}
log_address = {{.Folder}}/no-syslog
log_level = WARNING
[pipeline:main]
pipeline = {{.Pipeline}}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 10
node_timeout = 60
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{{.Memcached}}
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = http://127.0.0.1:{{.Keystone}}/v3
auth_url = http://127.0.0.1:{{.Keystone}}/v3
auth_type = password
username = swift
password = {{.ServicePassword}}
user_domain_id = default
project_name = service
project_domain_id = default
delay_auth_decision = true
cache = swift.cache
token_cache_time = {{.CacheSeconds}}
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = {{.Operators}}
[filter:proxy-logging]
use = egg:swift#proxy_logging
{{range .Filters}}[filter:{{.}}]
use = egg:swift#{{.}}
{{if eq . "versioned_writes"}}allow_versioned_writes = true
allow_object_versioning = true
{{end}}{{end}}{{end}}

{{define "storage.conf"}}[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {{.Port}}
workers = 0
user = {{.User}}
swift_dir = {{.Folder}}
devices = {{.Folder}}/data
mount_check = false
disable_fallocate = true
recon_cache_path = {{.Folder}}/cache
log_address = {{.Folder}}/no-syslog
log_level = WARNING
[pipeline:main]
pipeline = {{.Kind}}-server
[app:{{.Kind}}-server]
use = egg:swift#{{.Kind}}
conn_timeout = 10
node_timeout = 60
container_update_timeout = 60
[{{.Kind}}-replicator]
[{{.Kind}}-auditor]
[{{.Kind}}-updater]
{{end}}

{{define "keystone.conf"}}[database]
connection = sqlite:///{{.Folder}}/keystone.db
sqlite_synchronous = false
[token]
provider = fernet
expiration = {{.TokenSeconds}}
[fernet_tokens]
key_repository = {{.Folder}}/fernet-keys
[fernet_receipts]
key_repository = {{.Folder}}/fernet-keys
[credential]
key_repository = {{.Folder}}/credential-keys
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = 127.0.0.1:{{.Memcached}}
[identity]
password_hash_rounds = 4
{{end}}`))

// storage is the config of one of the three kinds of storage daemons.
type storage struct {
	config
	Kind string
	Port int
}

func (c config) storages() []storage {
	return []storage{{c, "account", c.Account}, {c, "container", c.Container}, {c, "object", c.Object}}
}

func (c config) file(name string) string { return filepath.Join(c.Folder, name) }

// write writes all files of the configuration, and keys for tokens.
func (c config) write() error {
	errs := []error{c.execute("proxy.conf", "proxy.conf", c), c.execute("keystone.conf", "keystone.conf", c)}
	for _, s := range c.storages() {
		errs = append(errs, c.execute(s.Kind+".conf", "storage.conf", s))
	}
	for _, folder := range []string{"data", "data/disk", "cache", "fernet-keys", "credential-keys"} {
		errs = append(errs, os.MkdirAll(c.file(folder), 0o700))
	}
	for _, folder := range []string{"fernet-keys", "credential-keys"} {
		for i := range 2 { // the next one, and the one that signs
			key := make([]byte, 32)
			_, _ = rand.Read(key) // never fails
			text := base64.URLEncoding.EncodeToString(key)
			errs = append(errs, os.WriteFile(filepath.Join(c.file(folder), strconv.Itoa(i)), []byte(text), 0o600))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

func (c config) execute(file, template string, data any) error {
	var text strings.Builder
	if err := templates.ExecuteTemplate(&text, template, data); err != nil {
		return err
	}
	return os.WriteFile(c.file(file), []byte(text.String()), 0o600)
}
