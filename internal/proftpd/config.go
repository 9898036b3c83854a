//go:build unix

package proftpd

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// servicePasswordHash is ServicePassword for crypt(3), with few rounds since tests log in often.
const servicePasswordHash = "$5$rounds=1000$stacksync$0E1v2Jw1B1qPfCKsotwZ/FELCHv02fNYTQW4kVcDpVA"

// configuration: mod_site_misc is there for what accounts must not do with it (SITE SYMLINK). Ports of data connections are the kernel's choice, so that servers do not clash. mod_ifsession has to come last.
var configuration = template.Must(template.New("proftpd.conf").Parse(`ModulePath {{.Modules}}
<IfModule !mod_tls.c>
LoadModule mod_tls.c
</IfModule>
{{if not .NoCopy}}<IfModule !mod_copy.c>
LoadModule mod_copy.c
</IfModule>
{{end}}<IfModule !mod_site_misc.c>
LoadModule mod_site_misc.c
</IfModule>
<IfModule !mod_ifsession.c>
LoadModule mod_ifsession.c
</IfModule>

ServerName {{.Name}}
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {{.Port}}
UseIPv6 off
UseReverseDNS off
WtmpLog off
TransferLog none
SystemLog {{.Folder}}/system.log
PidFile {{.Folder}}/proftpd.daemon
ScoreboardFile {{.Folder}}/scoreboard
DelayEngine off
User nobody
Group nogroup
{{if .MaxClients}}MaxClients {{.MaxClients}}
{{end}}{{if .NoMLSD}}FactsAdvertise off
{{end}}
TLSEngine on
TLSRequired {{if .TLSOptional}}off{{else}}on{{end}}
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {{.Folder}}/server.pem
TLSECCertificateKeyFile {{.Folder}}/server.key
TLSVerifyClient off
{{if not .SessionReuse}}TLSOptions NoSessionReuseRequired
{{end}}
AuthPAM off
AuthOrder mod_auth_file.c
AuthUserFile {{.Folder}}/passwd
RequireValidShell off
DefaultRoot {{.Folder}}/files

Umask 077
AllowOverwrite on
AllowOverride on
FSCachePolicy off
UseGlobbing off
TimeoutSession 3600 user !{{.Service}}
<Limit ALL>
  AllowUser {{.Service}}
  DenyAll
</Limit>
<Limit FEAT NOOP>
  AllowAll
</Limit>
<IfUser !{{.Service}}>
  AllowOverwrite off
  DenyFilter "\\.ftpaccess"
  PathAllowFilter "^/[a-z0-9-]+/(\\.tmp/[A-Za-z0-9]+|[0-9a-f][0-9a-f](/[a-z0-9_][a-z0-9_-]*)*)$"
</IfUser>
`))

func (s *Server) config() string {
	var b bytes.Buffer
	err := configuration.Execute(&b, struct {
		Options
		Modules, Folder, Service, Name string
		Port                           int
	}{s.o, modules, s.group.Folder, Service, s.serverName(), s.Port})
	if err != nil {
		panic(err) // of a template that is part of the program
	}
	return b.String()
}

// freeze stops the server where it is, so that it takes no more clients.
func (s *Server) freeze() {
	if syscall.Kill(s.pid, syscall.SIGSTOP) != nil {
		return
	}
	// It may be in the middle of a fork still, and may have ended.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") T ")) || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
	}
}

// sessions returns the ids of the processes that serve clients.
func (s *Server) sessions() []int {
	pid := s.pid
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}
